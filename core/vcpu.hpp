// SPDX-License-Identifier: GPL-2.0
// Vcpu: one CPU of a guest. Passive: a thread of the daemon lends it its time in run(), which comes back when user
// space has something to do. The run loop:
//
//   run() -- sleep while idle or not started
//     '- burst() -- interrupts off: switch, serve the call, switch again ...
//                   until the host wants the CPU, the guest sleeps, or user space is needed
//
// The contract that keeps two kernels on one CPU alive: when the guest left with its interrupts off, nobody else
// runs before it continues (it may hold a raw spinlock that another vCPU spins for), except when it asked for it
// (idle, yield, lock wait) or was taken off by the preemption NMI. DESIGN section 3; docs/world-switch.md, "The rule about interrupts".
#pragma once

#include "base/result.hpp"
#include "core/entry_check.hpp"
#include "core/guest_timer.hpp"
#include "core/host_cpu_state.hpp"
#include "core/passage.hpp"

#include <atomic>

namespace colinux {

class Monitor;

class Vcpu {
public:
    Vcpu(Monitor& monitor, unsigned index, FrameCounter& counter);
    ~Vcpu();
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;

    // Errors: NoMemory.
    Result<void> create(Phys guest_table, unsigned window_page);

    // vCPU 0 by user space, before it runs; the others by the guest. Busy: it is started already.
    Result<void> start(const co_vcpu_entry& entry);

    // Lend the calling thread. Fills run_page(). Errors: Busy (another thread runs it), NoMemory. May sleep.
    Result<void> run();

    // Set bits of the pending word and see that the guest notices. Any context but NMI.
    void raise(unsigned pending_bit);
    // Make the vCPU leave the guest, or its sleep, to look at the state of the world. Any context but NMI.
    void notify();
    void lock_kick();

    // Guest RAM has become less: what this vCPU knows of it is looked at again before it enters the guest. False: it is there now.
    bool forget_memory();

    co_run& run_page() { return *run_page_; }
    Phys run_page_frame() const { return run_frame_; }
    Phys passage_frame() const { return passage_.frame(); }
    co_passage& passage() { return passage_.page(); }
    unsigned index() const { return index_; }
    std::uint64_t calls(unsigned call) const { return calls_[call]; }
    std::uint64_t passage_nmis() const { return passage_nmis_; }
    std::uint64_t preemption_nmis() const { return preemption_nmis_; }

private:
    enum class Mode : int { Host, Guest, Asleep };
    enum class Sleep : int { None, Idle, LockWait, Stopped };
    // What follows a call
    enum class Next {
        Reenter,   // at once
        MayYield,  // at once, unless the host wants the CPU
        Yield,     // let others run, eagerly
        Pause,     // sleep for a moment
        Sleep,     // let others run, until there is a reason to wake
        ToUser,
    };

    Next burst();
    Next serve_in_a_row(InterruptsOff& off, std::uint64_t since);
    void cross(InterruptsOff& off);
    void resume_after_host(InterruptsOff& off);
    void serve_what_the_passage_saw(InterruptsOff& off);
    Next serve(InterruptsOff& off, co_mailbox& mail);
    void look_at_manners(unsigned call);
    Next after_preemption();
    void let_others_run();
    bool enter_guest();
    void leave_suspects();
    void take_accepted_interrupts(InterruptsOff& off);
    Next ask_user(unsigned exit, const co_mailbox& mail);
    Next start_other(co_mailbox& mail);
    Next end_guest(unsigned exit, const co_mailbox& mail);
    void raise_timer_if(bool due);
    bool must_wake();
    void sleep();
    void count_exits(unsigned stalls);
    void tell_stolen_time();
    void fill_end_of_guest();
    static CO_ABI void timer_expired(void* vcpu);
    static CO_ABI bool wake_condition(void* vcpu);

    Monitor& monitor_;
    unsigned index_;
    FrameCounter& counter_;
    Passage passage_;
    HostCpuState cpu_state_;
    EntryCheck entry_check_;
    Phys run_frame_{};
    FrameMapping run_mapping_{};
    co_run* run_page_{};
    co_os_fpu* fpu_{};
    GuestTimer timer_;
    co_os_waiter* waiter_{};

    std::atomic<bool> claimed_{false}; // a thread is in run()
    std::atomic<bool> started_{false};
    std::atomic<Mode> mode_{Mode::Host};
    std::atomic<unsigned> cpu_{0};
    std::atomic<bool> is_busy_{false}; // in a burst, or in forget_memory()
    std::atomic<bool> lock_kicked_{false};
    std::atomic<Sleep> sleep_{Sleep::None};
    bool awaits_answer_{false};
    bool nmi_ready_{false};
    bool checks_pending_{false};
    bool interrupts_on_{false};
    bool host_ran_{false};  // a handler of the host, since the last crossing
    bool suspect_{false};          // was taken off with the guest's interrupts off, and has not shown better manners since
    bool suspect_in_guest_{false}; // and counts in Suspects
    bool taken_off_{false};        // the guest may have accepted an interrupt without handing it over
    bool preempted_{false};        // by an NMI, with the guest's interrupts off
    bool holds_others_{false};     // counts in the monitor's holders
    bool goes_first_{false};       // as the only one of them
    unsigned times_preempted_{0};  // one burst after the other

    std::uint64_t calls_[CO_CALL_COUNT]{};
    std::uint64_t passage_nmis_{}, preemption_nmis_{};
    static constexpr std::uint64_t kUnknown = ~0ull;
    std::uint64_t waited_ns_{kUnknown}, stolen_ns_{}; // the thread's, since it exists; the vCPU's
};

} // namespace colinux
