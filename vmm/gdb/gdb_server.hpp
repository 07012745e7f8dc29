// SPDX-License-Identifier: GPL-2.0
// GdbServer: waits for a gdb on 127.0.0.1 and gives it the guest; one at a time, on a thread of its own. Whoever can write to a guest's
// memory owns the host (docs/threat-model.md), and every user of the machine reaches that address: so only the user
// who runs the daemon is let in.
#pragma once

#include "vmm/gdb/gdb_session.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "control/unique_fd.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace colinux {

// Failure: PortTaken; Usage when it cannot be had for another reason.
UniqueFd listen_for_gdb(std::uint16_t port);

class GdbServer {
public:
    using Log = std::function<void(const std::string&)>;

    // `listener` outlives it, for the next one.
    GdbServer(int listener, DebugTarget& target, Log log);
    ~GdbServer(); // a gdb that is there finds its connection closed
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    void start();
    void look();                // the target has a trap; any thread
    void guest_ended(int code); // the gdb that is there is told; nobody is let in any more
    bool attached() const { return attached_; }

private:
    void connected();
    void readable();
    void check();
    void close();
    void send(const std::string& text);

    int listener_;
    DebugTarget& target_;
    Log log_;
    UniqueFd connection_;
    std::unique_ptr<GdbSession> session_;
    UniqueFd timer_; // for a CPU that steps alone
    std::atomic<bool> attached_{};
    EventLoop loop_{"gdb"};
};

} // namespace colinux
