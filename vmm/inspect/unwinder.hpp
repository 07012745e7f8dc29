// SPDX-License-Identifier: GPL-2.0
// Unwinder: the call trace of a vCPU that went to the host, from the call of the switch on. Kernel code is unwound by its
// ORC table (the steps are those of arch/x86/kernel/unwind_orc.c), the graft's by its frame pointers (graft/Kbuild).
// Where both fail (a module, a damaged stack) the stack is searched for what looks like a return address, and that frame
// is marked as not sure, as the kernel's own traces do with '?'.
#pragma once

#include "vmm/inspect/guest_kernel.hpp"
#include "vmm/inspect/saved_state.hpp"

#include <optional>
#include <vector>

namespace colinux {

struct InterruptedRegisters { // struct pt_regs, from its first word on
    std::uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
    bool user_mode() const { return cs & 3; }
};

struct StackFrame {
    std::uint64_t ip, sp, bp;
    bool sure;      // unwound, not guessed
    bool returns;   // ip is a return address; otherwise the instruction that comes next
    std::optional<InterruptedRegisters> registers; // all of them are known here: an interrupt or exception came
    std::uint64_t registers_virt;                  // where they lie, if so
};

// Never throws; ends at user mode, at the end of the stack, or after 128 frames.
std::vector<StackFrame> unwind(const GuestKernel& kernel, const GuestPages& pages, const SavedState& state);

} // namespace colinux
