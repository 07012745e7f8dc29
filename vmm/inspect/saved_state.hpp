// SPDX-License-Identifier: GPL-2.0
// SavedState: what a vCPU left in its passage page and on its kernel's stack when it last went to the host. This is the
// one place of user space that knows how the switch keeps a world (struct co_world, and what world_switch.S pushes);
// everybody else asks by name. Only for a vCPU that is not in the guest; the page is the guest's too, so nothing is sure.
#pragma once

#include "vmm/inspect/page_walk.hpp"

#include <colinux/passage.h>

#include <cstdint>
#include <optional>

namespace colinux {

struct SavedState {
    std::uint64_t rip, rsp, rflags, rbp, rbx, r12, r13, r14, r15; // as the caller of the switch will have them again
    std::uint64_t cr0, cr2, cr3, cr4;
    std::uint64_t fs_base, gs_base, kernel_gs_base;
    std::uint64_t gdt_base, idt_base;
    std::uint16_t gdt_limit, idt_limit;
    std::uint16_t ss, ds, es, fs, gs, tr, ldtr;
    std::uint32_t call; // CO_CALL_*: why it left

    bool five_levels() const { return cr4 & 1u << 12; } // CR4.LA57
    GuestPages pages(const GuestMemory& memory) const { return {memory, cr3, five_levels()}; }
};

// From a copy of the vCPU's passage page (VcpuFile::passage()). Nothing: it never ran, or its stack is gone.
std::optional<SavedState> read_saved_state(const GuestMemory& memory, const co_passage& page);

} // namespace colinux
