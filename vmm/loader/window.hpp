// SPDX-License-Identifier: GPL-2.0
// Window: the graft's 2 MiB of guest RAM and what lies where in it. The graft reserves all of it for good,
// so everything that the guest must not overwrite before or after its kernel runs lies here:
//
//   +0   text | read-only data | data, bss | boot stack     mapped at CO_GRAFT_VIRT (SDM 4.5 rights)
//   ...  command line, zero page, e820 extension, initial page tables     read by the kernel during boot
//   ...  console ring, transport pages                       shared with the daemon
//   last two pages: page tables of the passage window (filled by the driver) and of this one
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/loader/graft_linker.hpp"

#include <colinux/boot_info.h>

#include <cstddef>
#include <cstdint>

namespace colinux {

class Window {
public:
    // Clears the 2 MiB at `phys` (guest RAM, 2 MiB aligned), copies the graft in and writes its page table.
    Window(GuestMemory& memory, std::uint64_t phys, const LinkedGraft& graft);

    std::uint64_t phys() const { return phys_; }
    std::uint64_t page_table_phys() const { return phys_ + CO_GRAFT_BYTES - 4096; }
    std::uint64_t passage_table_phys() const { return page_table_phys() - 4096; }
    std::uint64_t stack_top_virt() const { return CO_GRAFT_VIRT + mapped_bytes_; }

    // Physical address of a graft symbol that starts in [CO_GRAFT_VIRT, end of data).
    static bool contains(std::uint64_t virt) { return virt >= CO_GRAFT_VIRT && virt - CO_GRAFT_VIRT < CO_GRAFT_BYTES; }
    std::uint64_t to_phys(std::uint64_t virt) const { return phys_ + (virt - CO_GRAFT_VIRT); }
    std::byte* at(std::uint64_t phys) const { return host_ + (phys - phys_); }

    // Zeroed room of whole pages; the physical address. Failure NoGraft when the window is full.
    std::uint64_t allocate(std::uint64_t bytes);

private:
    std::uint64_t phys_;
    std::byte* host_;
    std::uint64_t mapped_bytes_; // graft and boot stack
    std::uint64_t used_;         // first free offset
};

} // namespace colinux
