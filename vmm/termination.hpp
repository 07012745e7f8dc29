// SPDX-License-Identifier: GPL-2.0
// Termination: what SIGTERM and SIGINT do to colinuxd. While it starts: nothing half-made stays, the
// process ends. While the guest runs: the first SIGTERM asks the guest to stop and gives it ten seconds;
// a second one, SIGINT, or the ten seconds' end kills it.
#pragma once

#include "vmm/control_server.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <functional>
#include <mutex>

namespace colinux {

class Termination {
public:
    // Blocks the signals for this thread and all that it makes: call it first in main().
    Termination();
    ~Termination();

    // Runs when a signal comes before the guest does; must not return. Any thread.
    void while_starting(std::function<void()> abandon);
    // From here on the guest is asked.
    void while_running(ControlTarget& target);
    // The target goes; signals are ignored.
    void ended();

private:
    void signalled();
    void end_guest(bool at_once);

    std::mutex mutex_; // guards the two below: main() changes them, the loop's thread uses them
    std::function<void()> abandon_;
    ControlTarget* target_{};
    bool asked_{};
    UniqueFd signals_, grace_;
    EventLoop loop_{"signals"}; // last: its thread ends first
};

} // namespace colinux
