// SPDX-License-Identifier: GPL-2.0
// PassageWindow: the 2 MiB of addresses that mean the same in the host and in every guest (passage.h). Page 0 is the switch
// code, one frame for all; the others are handed out to guests, a struct co_passage each. One per host.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"

#include <colinux/host_os.h>
#include <colinux/passage.h>

namespace colinux {

class PassageWindow {
public:
    // Errors: NoDevice (the host uses these addresses), NoMemory. [sleep], as all the others.
    static Result<void> open();
    static void close();

    // The first of `count` consecutive pages, or NoMemory.
    static Result<unsigned> reserve(unsigned count);
    static void release(unsigned first, unsigned count);

    // A reserved page gets its frame, or loses it (frame 0).
    static void map(unsigned page, Phys frame) { co_os_window_map(page, frame.value, false); }

    // What a guest's page table must say about a page with its frame, and about the code.
    static std::uint64_t data_entry(Phys frame);
    static std::uint64_t code_entry();

    static constexpr std::uint64_t address(unsigned page) { return CO_PASSAGE_VIRT + std::uint64_t{page} * kPageSize; }
};

} // namespace colinux
