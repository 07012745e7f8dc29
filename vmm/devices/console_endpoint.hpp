// SPDX-License-Identifier: GPL-2.0
// ConsoleEndpoint: a console as the guest sees it, from the hub's side. The early console's ring and
// virtio-console both are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace colinux {

class EventLoop;

using ConsoleOutput = std::function<void(std::string_view)>;

class ConsoleEndpoint {
public:
    virtual ~ConsoleEndpoint() = default;

    // Once, before the guest runs. What the guest prints goes to `output` on the thread of `hub_loop`.
    virtual void connect(EventLoop& hub_loop, ConsoleOutput output) = 0;
    // The opposite; on the loop's thread.
    virtual void disconnect(EventLoop&) {}
    // Output that is there now. The rest of this interface is called on the hub's thread too.
    virtual void drain() {}
    // How many of the typed bytes it took; the hub offers the rest again.
    virtual std::size_t write_input(std::string_view typed) = 0;
    virtual void resize(std::uint16_t rows, std::uint16_t columns) = 0;
};

} // namespace colinux
