// SPDX-License-Identifier: GPL-2.0
// What a process does about its file descriptors before anything else, and what it asks when there may be none left.
#pragma once

#include <initializer_list>
#include <span>

namespace colinux {

// 0, 1 and 2 are open: nothing that is opened later becomes somebody's standard output. For any program's first line.
void open_standard_descriptors();

// Closes what the starter left open, but 0 to 2 and `keep`.
void close_inherited_descriptors(std::span<const int> keep);

// As many as this process may have. Returns how many.
unsigned long raise_descriptor_limit();

// errno of a call that would have made a descriptor: does it fail for want of one, and may it succeed later?
bool is_descriptor_shortage(int error);

// Are fewer than `reserve` left?
bool descriptors_are_short(unsigned long reserve);

} // namespace colinux
