// SPDX-License-Identifier: GPL-2.0
// NetBackend: what is at the other end of a conet cable. All calls come on the device's thread.
#pragma once

#include "vmm/devices/frame_queue.hpp"

#include <cstddef>
#include <functional>
#include <span>

namespace colinux {

class EventLoop;

class NetBackend {
public:
    virtual ~NetBackend() = default;

    // Once. `arrived` is called when frames came into received() outside send().
    virtual void attach(EventLoop& loop, std::function<void()> arrived) = 0;

    // One whole Ethernet frame from the guest, in our own memory.
    virtual void send(std::span<const std::byte> frame) = 0;

    FrameQueue& received() { return received_; }

protected:
    FrameQueue received_;
};

} // namespace colinux
