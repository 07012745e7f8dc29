// SPDX-License-Identifier: GPL-2.0
// The page tables of a payload guest (payload.h): they map its two windows and nothing else, with 4 KiB pages.
#pragma once

#include "payload.h"

#include <cstddef>
#include <cstdint>

constexpr std::uint64_t kTablesOffset = CO_GRAFT_BYTES; // page tables lie in the second block
constexpr std::uint64_t kPassageTableOffset = kTablesOffset + 16 * CO_PAGE_SIZE; // CO_SET_PASSAGE's; filled by the driver

// `ram`: the guest's memory as mapped here, `phys`: its first address. Returns the root's physical address.
inline std::uint64_t build_window_tables(std::byte* ram, std::uint64_t phys, bool five_levels)
{
    auto table = [&](unsigned n) { return reinterpret_cast<std::uint64_t*>(ram + kTablesOffset + n * CO_PAGE_SIZE); };
    auto table_phys = [&](unsigned n) { return phys + kTablesOffset + n * CO_PAGE_SIZE; };
    constexpr std::uint64_t kPresentWritable = 3;
    unsigned next = 0;
    for (unsigned level = five_levels ? 5 : 4; level > 1; --level, ++next)
        table(next)[(CO_GRAFT_VIRT >> (12 + 9 * (level - 1))) & 511] = table_phys(next + 1) | kPresentWritable;
    table(next - 1)[(CO_PASSAGE_VIRT >> 21) & 511] = (phys + kPassageTableOffset) | kPresentWritable;
    for (unsigned page = 0; page < 512; ++page)
        table(next)[page] = (phys + page * CO_PAGE_SIZE) | kPresentWritable;
    return table_phys(0);
}
