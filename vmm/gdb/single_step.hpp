// SPDX-License-Identifier: GPL-2.0
// SingleStep: one CPU of the guest executes one instruction, by TF in the RFLAGS that it will return with. Interrupts are kept out for that
// instruction by IF = 0 there (as QEMU and kprobes do): otherwise the step would run the handler of whatever is pending first, and perhaps
// another task. Not where the instruction itself looks at IF, nor in user mode, nor where the kernel may fault for
// a program's page (RFLAGS.AC): that handler needs interrupts.
#pragma once

#include "vmm/inspect/page_walk.hpp"
#include "vmm/inspect/unwinder.hpp"

#include <cstdint>

namespace colinux {

class SingleStep {
public:
    static constexpr std::uint64_t kTrapFlag = 1u << 8, kInterruptFlag = 1u << 9, kAlignmentCheck = 1u << 18;

    bool active() const { return active_; }
    bool user_mode() const { return user_mode_; }

    // Changes registers.flags. `from_call`: RIP lies in a call to the host that has not returned yet; see arrived().
    void begin(InterruptedRegisters& registers, const GuestPages& pages);
    void begin_in_call(std::uint64_t rip);
    // A trap in the kernel's own code: is the step done? If not, it goes on from here.
    bool arrived(InterruptedRegisters& registers, const GuestPages& pages);
    // Flags as they would be without the step; where it ended, or was given up before its trap.
    void end(InterruptedRegisters& registers, const GuestPages& pages);
    // Given up, and whoever has its TF is not known. True: has IF = 0 from us, too.
    bool forget();

private:
    bool active_{}, user_mode_{}, masked_{}, pushes_flags_{}, in_call_{};
    std::uint64_t start_{};
};

} // namespace colinux
