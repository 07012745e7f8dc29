// SPDX-License-Identifier: GPL-2.0
// CpuWatch: since when each host CPU is in a guest. A timer on another CPU looks here and, when a guest has kept
// one for too long without letting any interrupt through, a kick of ours neither, sends an NMI: the only way to get a
// CPU back from a guest that spins with its interrupts off. (DESIGN section 3, rule 4.)
#pragma once

#include <cstdint>

namespace colinux {

class CpuWatch {
public:
    // Around each crossing, on that CPU, interrupts off. `nmi_ready`: the guest can take an NMI.
    static void enter(unsigned cpu, bool nmi_ready);
    static void leave(unsigned cpu);
    // Was the NMI that just ended this stay ours, and meant for it? Clears the mark.
    static bool was_preempted(unsigned cpu);

    // From the timer, once a period. Any CPU, atomic context.
    static void check(unsigned watched);

    static void set_limit(std::uint64_t tsc_ticks);
    static std::uint64_t limit();
    static std::uint64_t preemptions();
};

} // namespace colinux
