// SPDX-License-Identifier: GPL-2.0
// GuestList: all guests alive, so that the host can end them together when it goes down.
#pragma once

#include "core/monitor.hpp"

namespace colinux {

class GuestList {
public:
    void add(Monitor& monitor);
    void remove(Monitor& monitor);
    unsigned count() const { return count_.load(); }
    // End every guest for that CO_KILL_*. Their vCPUs leave as soon as their CPUs can take an interrupt.
    void kill_all(unsigned reason);
    void set_clocks();

private:
    class Hold;

    std::atomic_flag held_ = ATOMIC_FLAG_INIT; // with interrupts off: a handful of instructions per guest
    Monitor* first_{};
    std::atomic<unsigned> count_{0};
};

} // namespace colinux
