// SPDX-License-Identifier: GPL-2.0
// Passage: one vCPU's way between the worlds: its page of the passage window (struct co_passage) and the frame behind it. Vcpu
// fills in the guest's first state and calls cross().
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "core/arch/x86_64/world_switch.hpp"
#include "core/frame_counter.hpp"
#include "core/frame_mapping.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

namespace colinux {

class Passage {
public:
    explicit Passage(FrameCounter& counter) : counter_{counter} {}
    ~Passage();
    Passage(const Passage&) = delete;
    Passage& operator=(const Passage&) = delete;

    // `window_page` has been reserved by the caller; `guest_table` is the guest's page table of the window. Errors: NoMemory.
    Result<void> create(Phys guest_table, unsigned window_page, unsigned vcpu);

    // The guest continues (or begins) at this state when the next cross() arrives. IF = 0, flat segments.
    void set_first_state(const co_vcpu_entry& entry);

    // To the guest and back. Interrupts are off.
    void cross()
    {
        auto code = reinterpret_cast<co_passage_switch_fn>(CO_PASSAGE_VIRT);
        asm volatile("" : "+r"(code)); // called through a register
        call_world_switch(code, shared_, &shared_->host, &shared_->guest);
    }

    co_passage& page() { return *page_; }
    Phys frame() const { return frame_; }

private:
    void set_world(co_world& world, std::uint64_t world_virt);

    FrameCounter& counter_;
    unsigned window_page_{};
    Phys frame_{};
    FrameMapping mapping_{};
    co_passage* page_{};  // there: where the core reads and writes it
    co_passage* shared_{}; // where both worlds see it
};

} // namespace colinux
