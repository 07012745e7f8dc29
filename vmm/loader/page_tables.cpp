// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/page_tables.hpp"

#include "base/address.hpp"

#include <cstring>

namespace colinux {
namespace {

constexpr std::uint64_t kFrameMask = 0x000ffffffffff000;
constexpr std::uint64_t kLargePageBytes = 2 << 20;
constexpr int kDirectoryShift = 21; // a page directory entry maps 2 MiB

} // namespace

InitialPageTables::InitialPageTables(Window& window, bool five_levels)
    : window_{window}, levels_{five_levels ? 5 : 4}, root_{window.allocate(kPageSize)}
{
}

// Walks from the root to the page directory of `virt`, making the tables on the way.
void InitialPageTables::set_directory_entry(std::uint64_t virt, std::uint64_t entry)
{
    std::uint64_t table = root_;
    auto slot = [&](int shift) { return window_.at(table) + (virt >> shift & 511) * sizeof(std::uint64_t); };
    for (int shift = kDirectoryShift + 9 * (levels_ - 2); shift > kDirectoryShift; shift -= 9) {
        std::uint64_t next;
        std::memcpy(&next, slot(shift), sizeof(next));
        if (!(next & page_table::kPresent)) {
            next = window_.allocate(kPageSize) | page_table::kTable;
            std::memcpy(slot(shift), &next, sizeof(next));
        }
        table = next & kFrameMask;
    }
    std::memcpy(slot(kDirectoryShift), &entry, sizeof(entry));
}

void InitialPageTables::map_identity(std::uint64_t phys, std::uint64_t bytes)
{
    using namespace page_table;
    for (std::uint64_t at = align_down(phys, kLargePageBytes); at < phys + bytes; at += kLargePageBytes)
        set_directory_entry(at, at | kPresent | kWrite | kAccessed | kDirty | kLargePage);
}

void InitialPageTables::map_table(std::uint64_t virt, std::uint64_t table_phys)
{
    set_directory_entry(virt, table_phys | page_table::kTable);
}

} // namespace colinux
