// SPDX-License-Identifier: GPL-2.0
// EventFd: a counter that one side signals and another waits for; how doorbells and interrupt lines
// reach the driver, and how threads wake each other. Never blocks.
#pragma once

#include "control/unique_fd.hpp"

namespace colinux {

class EventFd {
public:
    EventFd(); // throws std::system_error when the process has no descriptor left

    void signal() const; // any thread; any number of signals before a take() count as one
    bool take() const;   // true when it was signalled since the last take()
    int fd() const { return fd_.get(); }

private:
    UniqueFd fd_;
};

} // namespace colinux
