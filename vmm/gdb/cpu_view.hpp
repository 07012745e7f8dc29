// SPDX-License-Identifier: GPL-2.0
// What a CPU that stands still looks like to a debugger, and where its registers lie so that they can be changed. Three cases:
//
//   it stopped for the debugger     struct pt_regs of the exception: all registers
//   an interrupt or NMI took it off struct pt_regs of what was interrupted, found by unwinding: all registers
//   it called the host itself       the innermost frame of the kernel's own: RIP, RSP, RBP; nothing can be changed
//   (idle, a lock, a device)
#pragma once

#include "vmm/inspect/guest_kernel.hpp"
#include "vmm/inspect/saved_state.hpp"
#include "vmm/inspect/unwinder.hpp"
#include "vmm/gdb/registers.hpp"

#include <optional>

namespace colinux {

struct CpuView {
    std::uint64_t cr3{};
    bool five_levels{};
    Registers registers;
    bool user_mode{};
    std::uint64_t registers_virt{}; // of struct pt_regs; 0: no register can be changed
    std::uint64_t iret_virt{};      // the five words that IRET will take, if those of struct pt_regs are only a copy
    std::uint64_t flags_virt{};     // RFLAGS with which a call to the host returns; 0: likewise none
    std::uint32_t call{};           // CO_CALL_*

    GuestPages pages(const GuestMemory& memory) const { return {memory, cr3, five_levels}; }
};

// Nothing: it has never run (then see first_view()), or its stack cannot be read.
std::optional<CpuView> look_at_cpu(const GuestKernel& kernel, const GuestMemory& memory, const co_passage& passage);
CpuView first_view(const co_vcpu_entry& entry); // of CPU 0, before its first instruction

void show(Registers& registers, const InterruptedRegisters& interrupted);
// Puts `wanted` into `interrupted`; false: it differs from `shown` in a register that lies elsewhere.
bool take_changes(InterruptedRegisters& interrupted, const Registers& shown, const Registers& wanted);

} // namespace colinux
