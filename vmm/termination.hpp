// SPDX-License-Identifier: GPL-2.0
// Termination: what SIGTERM and SIGINT do to colinuxd, and its starter's death before the guest runs. While it starts:
// nothing half-made stays, the process ends. While the guest runs: the first SIGTERM asks the guest to stop and gives it ninety
// seconds; a second one, SIGINT, or the end of the ninety seconds kills it. What comes within a second of the first SIGTERM is
// the same request: a service manager tells the daemon, and so does the `colinux run` that it tells.
#pragma once

#include "vmm/control_server.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

namespace colinux {

class Termination {
public:
    // Blocks the signals for this thread and all that it makes: call it first in main().
    Termination();
    ~Termination();

    // Runs when a signal comes, or has come, before the guest does, or when nobody reads `report` (-1: nobody should); must not
    // return. Any thread.
    void while_starting(std::function<void()> abandon, int report = -1);
    // The only thread beside main()'s until the guest runs.
    void run_on_its_thread(const std::function<void()>& task) { loop_.call(task); }
    // From here on the guest is asked.
    void while_running(ControlTarget& target);
    // The target goes; signals are ignored.
    void ended();

private:
    void signalled();
    void end_guest(bool at_once);
    void watch_starter(int report);

    std::mutex mutex_; // guards the two below: main() changes them, the loop's thread uses them
    std::function<void()> abandon_;
    ControlTarget* target_{};
    bool came_early_{};
    int report_{-1}; // the loop's: watched
    std::optional<std::chrono::steady_clock::time_point> asked_;
    UniqueFd signals_, grace_;
    EventLoop loop_{"signals"}; // last: its thread ends first
};

} // namespace colinux
