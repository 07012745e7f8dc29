// SPDX-License-Identifier: GPL-2.0
// Page tables of a guest in the fake host's memory, which map what a guest needs: the graft's window, and the passage
// window beside it. What a core that looks at them before each entry wants to see.
#pragma once

#include <cstdint>

namespace colinux {

inline constexpr unsigned kWindowTables = 5; // frames that they take at most, from the root on

// In four levels (five: `levels`) of tables from `root` on: the 2 MiB at CO_GRAFT_VIRT lead to those at `phys`, by 4 KiB pages,
// and those at CO_PASSAGE_VIRT to the page table at `passage_table`.
void build_window_tables(std::uint64_t root, std::uint64_t phys, std::uint64_t passage_table, unsigned levels = 4);

// The entry for CO_PASSAGE_VIRT in the table of that level (1: the last).
std::uint64_t& passage_entry(std::uint64_t root, unsigned level, unsigned levels = 4);

} // namespace colinux
