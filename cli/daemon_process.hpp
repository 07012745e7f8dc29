// SPDX-License-Identifier: GPL-2.0
// DaemonProcess: a colinuxd that this program started for one guest. The daemon has a session of its own,
// so it outlives the terminal and this program.
#pragma once

#include "cli/stop_signals.hpp"
#include "control/config.hpp"
#include "control/guest_end.hpp"
#include "control/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

namespace colinux {

class DaemonProcess {
public:
    // Starts it. What comes by `stop` from here on is for the guest: one of the waits below. Failure: Internal.
    DaemonProcess(const MachineConfig& config, StopSignals& stop);

    struct Ready {
        std::string name;
        pid_t pid;
    };
    // Until the guest runs. Failure: the daemon's own, or interrupted, after which nothing of it is left.
    Ready wait_until_ready(const std::function<void(const std::string&)>& progress);

    // A signal: `stopping`, where there is one, then ask_to_end().
    GuestEnd wait_until_ended(const std::function<void()>& restarted = [] {}, const std::function<void()>& stopping = {});
    // The guest is to stop in order; when asked again, to end at once. Once is what comes within a second: timeout(1) tells
    // us and then all of our process group, service managers do alike.
    void ask_to_end();
    void end_now(); // without asking the guest

private:
    std::string next_line(const std::function<void()>& signalled); // empty at the end of the report
    void give_up_start();
    bool is_new_request();
    int reap(); // its exit status

    pid_t pid_{-1};
    StopSignals& stop_;
    unsigned requests_{};
    std::chrono::steady_clock::time_point last_request_;
    UniqueFd report_;
    std::string received_;
};

} // namespace colinux
