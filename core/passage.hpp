// SPDX-License-Identifier: GPL-2.0
// Passage: one vCPU's way between the worlds: the shared data page (struct co_passage, a frame of guest RAM), the
// transit tables, and the two copies of the switch code. Vcpu fills in the guest's first state and calls cross().
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "core/transit_tables.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

namespace colinux {

class Passage {
public:
    explicit Passage(FrameCounter& counter) : transit_{counter} {}

    // `where` has been checked against guest RAM by the caller. Errors: NoMemory.
    Result<void> create(const co_set_passage& where, unsigned vcpu, unsigned levels);

    // Copy the switch code into the guest's code page (once per guest).
    static void install_code(const co_set_passage& where);

    // The guest continues (or begins) at this state when the next cross() arrives. IF = 0, flat segments.
    void set_first_state(const co_vcpu_entry& entry);

    // To the guest and back. Interrupts are off.
    void cross();

    co_passage& page() { return *page_; }

private:
    void set_world(co_world& world, std::uint64_t page, std::uint64_t code, co_u64* idt, std::uint64_t idt_virt);

    TransitTables transit_;
    co_passage* page_{};
};

} // namespace colinux
