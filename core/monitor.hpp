// SPDX-License-Identifier: GPL-2.0
// Monitor: the ring-0 half of one guest. Owns its memory, passage and vCPUs, its doorbells and interrupt lines, and
// knows how it ended. Lives as long as any file of it is open (reference count).
#pragma once

#include "base/result.hpp"
#include "core/guest_ram.hpp"
#include "core/passage_window.hpp"
#include "core/vcpu.hpp"

#include <colinux/abi.h>
#include <colinux/host_os.h>

namespace colinux {

class Monitor {
public:
    struct End {
        unsigned exit;
        co_u64 arg[4];
    };

    Monitor(unsigned vcpus, FrameCounter& driver_frames, std::uint64_t ns_per_tick_32);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    Result<void> create();

    void acquire() { references_.fetch_add(1); }
    bool release() { return references_.fetch_sub(1) == 1; }

    // Requests of the guest fd; errors as in abi.h. May sleep.
    Result<void> allocate_memory(co_allocate_memory& request);
    Result<void> get_memory(co_get_memory& request);
    Result<void> give_up_block(co_memory_block& block);
    Result<void> take_back_block(co_memory_block& block);
    Result<void> set_passage(const co_set_passage& request);
    Result<Vcpu*> create_vcpu(unsigned index);
    Result<void> set_entry(Vcpu& vcpu, const co_vcpu_entry& entry);
    Result<void> bind_doorbell(const co_bind_doorbell& request);
    Result<void> bind_irq_line(const co_bind_irq_line& request);
    void request_stop();
    void request_clock();
    void get_stats(co_guest_stats& stats);
    std::uint64_t passage_virt() const { return PassageWindow::address(window_page_); }
    Phys frame_at(std::uint64_t offset) const { return ram_.frame_at(offset); } // takes no lock: a page fault asks

    // For the vCPUs. Any context but NMI.
    Vcpu* vcpu(std::uint64_t index);
    void ring_doorbell(std::uint64_t doorbell);
    // Is this a state that a CPU can load? The rest is the guest's own business.
    bool can_begin(const co_vcpu_entry& entry) const;
    const GuestRam& ram() const { return ram_; }
    const co_vcpu_entry& first_entry() const { return first_entry_; }
    std::uint64_t ns_per_tick_32() const { return ns_per_tick_32_; } // nanoseconds per TSC tick, 32 binary places

    // From here to leave_guest() a vCPU is in the guest. How many others are.
    unsigned enter_guest() { return in_guest_.fetch_add(1); }
    void leave_guest() { in_guest_.fetch_sub(1); }
    // A vCPU was taken off its CPU with the guest's interrupts off: until it calls let_others_run(), others leave the guest and are
    // not let in. True: it is the only one for whom others wait.
    bool hold_others();
    void let_others_run() { holders_.fetch_sub(1); }
    bool holds_others() const { return holders_.load() != 0; }

    // The guest ends, once; the first reason counts. Every vCPU notices. Any context but NMI.
    void end_with(unsigned exit, const co_u64 (&arg)[4]);
    void kill(unsigned reason, std::uint64_t detail);
    bool ended() const { return ended_.load(std::memory_order_acquire) == Ended::Yes; }
    const End& end() const { return end_; }

    Monitor* next_guest{}; // GuestList's

private:
    enum class Ended : int { No, Ending, Yes };
    struct Line {
        Monitor* monitor;
        std::atomic<unsigned> vcpu;
        co_os_watch* watch;
    };

    static CO_ABI void line_raised(void* line, co_u32 number);
    bool make_vcpus_forget_memory();

    const unsigned vcpu_count_;
    const std::uint64_t ns_per_tick_32_; // nanoseconds per TSC tick, 32 fraction bits
    std::atomic<unsigned> references_{1};
    co_os_lock* lock_{}; // requests, one at a time
    FrameCounter frames_;
    GuestRam ram_;
    unsigned window_page_{}; // of vCPU 0; 0: none reserved
    Phys passage_table_{};   // the guest's, of the window
    co_vcpu_entry first_entry_{};
    std::atomic<Vcpu*> vcpus_[CO_MAX_VCPUS]{};
    std::atomic<co_os_event*> doorbells_[CO_DOORBELLS]{};
    Line lines_[CO_IRQ_LINES]{};
    std::atomic<unsigned> in_guest_{0}, holders_{0};
    std::atomic<Ended> ended_{Ended::No};
    End end_{};
};

} // namespace colinux
