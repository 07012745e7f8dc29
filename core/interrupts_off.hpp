// SPDX-License-Identifier: GPL-2.0
// InterruptsOff: a token that proves that interrupts are off on this CPU and the thread stays on it.
// Code that takes one never allocates, locks, logs or fails.
#pragma once

#include <colinux/host_os.h>

namespace colinux {

class InterruptsOff {
public:
    InterruptsOff() { co_os_interrupts_off(); }
    ~InterruptsOff() { co_os_interrupts_on(); }
    InterruptsOff(const InterruptsOff&) = delete;
    InterruptsOff& operator=(const InterruptsOff&) = delete;
};

} // namespace colinux
