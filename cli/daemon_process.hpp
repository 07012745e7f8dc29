// SPDX-License-Identifier: GPL-2.0
// DaemonProcess: a colinuxd that this program started for one guest. The daemon has a session of its own,
// so it outlives the terminal and this program.
#pragma once

#include "vmm/config.hpp"
#include "vmm/guest_end.hpp"
#include "vmm/sys/linux/unique_fd.hpp"

#include <sys/types.h>

#include <functional>
#include <string>

namespace colinux {

class DaemonProcess {
public:
    explicit DaemonProcess(const MachineConfig& config); // starts it. Failure: Internal

    struct Ready {
        std::string name;
        pid_t pid;
    };
    // Until the guest runs. Failure: the daemon's own, after which nothing of it is left.
    Ready wait_until_ready(const std::function<void(const std::string&)>& progress);

    GuestEnd wait_until_ended();

private:
    std::string next_line(); // empty at the end of the report
    int reap();              // its exit status

    pid_t pid_{-1};
    UniqueFd report_;
    std::string received_;
};

} // namespace colinux
