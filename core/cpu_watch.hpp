// SPDX-License-Identifier: GPL-2.0
// CpuWatch: since when each host CPU is lent to a guest. A timer on another CPU looks here and, when a guest has kept
// one for too long without letting any interrupt through, a kick of ours neither, sends an NMI: the only way to get a
// CPU back from a guest that spins with its interrupts off. (DESIGN section 3, rule 4.)
#pragma once

#include <cstdint>

namespace colinux {

class CpuWatch {
public:
    // A burst begins on that CPU, or the host just had its chance to take it back. Interrupts off. `nmi_ready`: the guest can take
    // an NMI. Returns the TSC.
    static std::uint64_t enter(unsigned cpu, bool nmi_ready);
    static void leave(unsigned cpu);
    // Was the NMI that just ended this stay ours, and meant for it? Clears the mark.
    static bool was_preempted(unsigned cpu);
    // Has an NMI been sent for this stay? Leaves the mark, for who looks often.
    static bool is_preempted(unsigned cpu);

    // From the timer, once a period. Any CPU, atomic context.
    static void check(unsigned watched);

    static void set_limit(std::uint64_t tsc_ticks);
    static std::uint64_t limit();
};

} // namespace colinux
