// SPDX-License-Identifier: GPL-2.0
// The guest's initial page tables: in force from the first entry until the kernel loads its own a few
// hundred instructions later. Entry formats: SDM volume 3, section 4.5.
#pragma once

#include "vmm/loader/window.hpp"

#include <cstdint>

namespace colinux {

// Rights of leaf entries and the word of an entry that refers to a table; accessed and dirty are set, so
// that the CPU never writes to them.
namespace page_table {
inline constexpr std::uint64_t kPresent = 1, kWrite = 2, kAccessed = 0x20, kDirty = 0x40, kLargePage = 0x80, kNoExecute = 1ull << 63;
inline constexpr std::uint64_t kExecutable = kPresent | kAccessed;
inline constexpr std::uint64_t kReadOnly = kPresent | kAccessed | kNoExecute;
inline constexpr std::uint64_t kWritable = kPresent | kWrite | kAccessed | kDirty | kNoExecute;
inline constexpr std::uint64_t kTable = kPresent | kWrite | kAccessed | kDirty;
} // namespace page_table

class InitialPageTables {
public:
    // Tables come from `window`; 5 levels where the host runs with CR4.LA57.
    InitialPageTables(Window& window, bool five_levels);

    std::uint64_t root() const { return root_; } // for CR3

    // Maps [phys, phys + bytes), widened to 2 MiB pages, at the same virtual addresses: writable, executable.
    void map_identity(std::uint64_t phys, std::uint64_t bytes);
    // Hangs a ready page table of 4 KiB pages in at a 2 MiB aligned virtual address.
    void map_table(std::uint64_t virt, std::uint64_t table_phys);

private:
    void set_directory_entry(std::uint64_t virt, std::uint64_t entry);

    Window& window_;
    int levels_;
    std::uint64_t root_;
};

} // namespace colinux
