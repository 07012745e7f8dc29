// SPDX-License-Identifier: GPL-2.0
// Vcpu, its time in the guest: burst(), the one hot loop, and what each call of the guest does.
#include "core/arch/x86_64/cpu.hpp"
#include "core/cpu_watch.hpp"
#include "core/monitor.hpp"
#include "core/suspects.hpp"
#include "core/vcpu.hpp"

namespace colinux {

namespace {

constexpr unsigned kClockTries = 10;

// A vCPU that is taken off again and again waits itself, rather than keeps others waiting
constexpr unsigned kHoldsOthers = 4;

constexpr unsigned kLookAtClockEvery = 16; // calls with interrupts off, one right after the other

// At the same moment, as nearly as can be: a CPU that is virtual itself may be away between the two, so the tightest of
// several tries counts.
void read_both_clocks(co_mailbox& mail)
{
    std::uint64_t width = ~0ull, before = cpu::read_tsc();
    for (unsigned i = 0; i < kClockTries; ++i) {
        std::uint64_t ns = co_os_wall_clock_ns(), after = cpu::read_tsc();
        if (after - before < width) {
            width = after - before;
            mail.result[0] = ns;
            mail.result[1] = before + width / 2;
        }
        before = after;
    }
}

} // namespace

Vcpu::Next Vcpu::burst()
{
    InterruptsOff off;
    if (monitor_.ended()) // since run() looked; whoever waits for all CPUs to take an interrupt may now rely on it
        return Next::MayYield;
    if (co_os_msrs_are_lent()) { // they are the host's again when this thread has been in user space
        run_page_->exit = CO_EXIT_INTERRUPTED;
        return Next::ToUser;
    }
    co_passage& page = passage_.page();
    if (unsigned item = entry_check_.unfit_msr(page)) {
        monitor_.kill(CO_KILL_BAD_STATE, item);
        return Next::MayYield;
    }
    if (!enter_guest())
        return Next::Pause;
    if (sleep_ == Sleep::LockWait)
        lock_kicked_.store(false); // the kick that ended the wait; the guest looks at its lock now
    if (sleep_ == Sleep::Idle)
        timer_.guest_woke(off);
    sleep_ = Sleep::None;
    __atomic_store_n(&run_page_->sleep, CO_SLEEP_NONE, __ATOMIC_RELAXED);
    tell_stolen_time();
    unsigned cpu = co_os_cpu();
    cpu_.store(cpu, std::memory_order_relaxed);
    co_os_fpu_load();
    cpu_state_.enter_guest_mode(off, page);
    taken_off_ = preempted_ = host_ran_ = false;
    let_others_run();
    Next next;
    do {
        next = serve_in_a_row(off, CpuWatch::enter(cpu, nmi_ready_));
        // After a preemption NMI the host's interrupts must have their turn, whether it wants the CPU or not
    } while (next == Next::MayYield && !taken_off_ && !co_os_must_yield() && !monitor_.ended() && !monitor_.holds_others());
    CpuWatch::leave(cpu);
    next = preempted_ ? after_preemption() : next;
    times_preempted_ = preempted_ ? times_preempted_ + 1 : 0;
    if (taken_off_ || monitor_.ended())
        take_accepted_interrupts(off);
    cpu_state_.leave_guest_mode(off, page);
    is_busy_.store(false, std::memory_order_release);
    monitor_.leave_guest();
    return next;
}

// Counted before it looks whether others are held: either it sees that, or who holds them sees it.
bool Vcpu::enter_guest()
{
    unsigned others = monitor_.enter_guest();
    bool held = times_preempted_ == 0 && monitor_.holds_others();
    suspect_in_guest_ = suspect_ && !held && Suspects::enter(holds_others_ && !goes_first_ ? others : 0);
    if (held || suspect_ != suspect_in_guest_ || is_busy_.exchange(true, std::memory_order_acquire)) {
        leave_suspects();
        monitor_.leave_guest();
        return false;
    }
    return true;
}

// Taken off with the guest's interrupts off: perhaps in the few lines, such as the write side of a seqcount, for which other CPUs spin
// with theirs off and which no paravirtual lock covers. When such spinners have every CPU of the host, nobody is left who could take
// one off, and the machine stands still; none of them need be a suspect yet. So it goes on at once, after the host's interrupts and
// before its threads; and until it does, no other vCPU of its guest is let in. One that is taken off while another waits to go on, or
// a second time, more likely spins itself: it waits until all who are in its guest, and may spin too, leave a CPU to the host.
[[gnu::noinline]] Vcpu::Next Vcpu::after_preemption()
{
    if (times_preempted_ < kHoldsOthers) {
        holds_others_ = true;
        goes_first_ = monitor_.hold_others() && times_preempted_ == 0;
    }
    return goes_first_ ? Next::Reenter : Next::Pause;
}

void Vcpu::let_others_run()
{
    if (holds_others_)
        monitor_.let_others_run();
    holds_others_ = goes_first_ = false;
}

// Part of the one hot loop
[[gnu::always_inline]] inline void Vcpu::cross(InterruptsOff& off)
{
    co_passage& page = passage_.page();
    if (host_ran_)
        resume_after_host(off);
    mode_.store(Mode::Guest);
    // What became pending before this line is seen here, what comes later kicks us. The guest looks itself when it
    // said so; else an interrupt to ourselves brings it back as soon as it can take one. The same when the host
    // wants the CPU but must wait for the guest's interrupts to come on.
    if ((!checks_pending_ && __atomic_load_n(&page.pending, __ATOMIC_SEQ_CST)) || co_os_must_yield())
        co_os_kick_cpu(cpu_.load(std::memory_order_relaxed));
    cpu_state_.before_switch(off, page);
    passage_.cross();
    cpu_state_.after_switch(off, page);
    mode_.store(Mode::Host, std::memory_order_release); // a kick too many does no harm
    if (page.saw) [[unlikely]]
        serve_what_the_passage_saw(off);
}

// Calls that the guest made with its interrupts off, and must continue after at once; up to one that is none, or until they have
// kept the host out for too long: as bad as spinning in the guest, same cure. And as there (CpuWatch::check) not the first
// time: the CPU itself may have stood still. With one CPU nobody else looks at the clock.
[[gnu::always_inline]] inline Vcpu::Next Vcpu::serve_in_a_row(InterruptsOff& off, std::uint64_t since)
{
    unsigned cpu = cpu_.load(std::memory_order_relaxed), calls = 0;
    bool overdue = false;
    Next next;
    for (;;) {
        if (unsigned item = entry_check_.unfit_item(passage_.page())) [[unlikely]] {
            monitor_.kill(CO_KILL_BAD_STATE, item);
            next = Next::MayYield;
            break;
        }
        cross(off);
        next = serve(off, passage_.page().mailbox);
        calls += !interrupts_on_;
        if (next != Next::Reenter || interrupts_on_)
            break;
        taken_off_ = CpuWatch::is_preempted(cpu);
        if (calls % kLookAtClockEvery == 0 && cpu::read_tsc() - since > CpuWatch::limit()) {
            taken_off_ |= overdue;
            overdue = true;
            since = cpu::read_tsc();
        }
        if (taken_off_) {
            suspect_ = true;
            break;
        }
    }
    count_exits(calls);
    return next == Next::Reenter ? Next::MayYield : next;
}

// The guest may have been stopped (by a preemption NMI, by its own end, by a lock that its kernel takes on the way to the
// handler, such as jiffies_lock) after its CPU accepted an interrupt and before it handed that over. The host must not
// wait for it: no interrupt of that priority would come any more.
void Vcpu::take_accepted_interrupts(InterruptsOff& off)
{
    constexpr unsigned kVectors = 256;
    for (unsigned limit = kVectors; limit > 0; --limit) {
        unsigned vector = co_os_vector_in_service();
        if (vector < 32 || vector >= kVectors)
            return;
        cpu_state_.host_will_run(off);
        co_os_take_interrupt(vector);
        host_ran_ = true;
    }
}

// A handler of the host has run: it may have used the FPU, set breakpoints, taken faults.
void Vcpu::resume_after_host(InterruptsOff& off)
{
    host_ran_ = false;
    timer_.host_ran(off);
    co_os_note_guest();
    co_os_fpu_load();
    cpu_state_.host_has_run(off, passage_.page());
}

void Vcpu::serve_what_the_passage_saw(InterruptsOff& off)
{
    co_u64 saw = passage_.page().saw;
    passage_.page().saw = 0;
    cpu_state_.host_will_run(off);
    if (saw & CO_SAW_NMI) {
        ++passage_nmis_;
        co_os_take_nmi();
    }
    if (saw & CO_SAW_MCE)
        co_os_take_machine_check();
    host_ran_ = true;
    if (saw & CO_SAW_BAD_STATE) {
        passage_.page().mailbox.call = CO_CALL_NONE; // left from the last time
        monitor_.kill(CO_KILL_BAD_STATE, CO_BAD_STATE_UNLOADABLE);
    }
}

// A suspect that lets others have the CPU is none any more.
void Vcpu::look_at_manners(unsigned call)
{
    suspect_ = !interrupts_on_ && call != CO_CALL_INTERRUPT && call != CO_CALL_IDLE && call != CO_CALL_YIELD && call != CO_CALL_LOCK_WAIT;
    if (!suspect_)
        leave_suspects();
}

[[gnu::always_inline]] inline Vcpu::Next Vcpu::serve(InterruptsOff& off, co_mailbox& mail)
{
    // The page is the guest's too: read once, then use the copy
    unsigned call = __atomic_load_n(&mail.call, __ATOMIC_RELAXED);
    unsigned flags = __atomic_load_n(&mail.flags, __ATOMIC_RELAXED);
    co_u64 arg0 = __atomic_load_n(&mail.arg[0], __ATOMIC_RELAXED);
    checks_pending_ = flags & CO_MAILBOX_CHECKS_PENDING;
    interrupts_on_ = flags & CO_MAILBOX_INTERRUPTS_ON;
    if (call < CO_CALL_COUNT)
        ++calls_[call];
    if (suspect_) [[unlikely]]
        look_at_manners(call);

    if (call == CO_CALL_DOORBELL) [[likely]] {
        monitor_.ring_doorbell(arg0);
        return Next::Reenter;
    }
    switch (call) {
    case CO_CALL_INTERRUPT:
        if (arg0 < 32 || arg0 > 255)
            break;
        // The guest's word is not enough: some vectors stop a CPU. And the host may have taken it early, see above
        if (co_os_vector_is_due(arg0)) {
            cpu_state_.host_will_run(off);
            co_os_take_interrupt(arg0);
            host_ran_ = true;
        }
        return Next::MayYield;
    case CO_CALL_NMI:
        cpu_state_.host_will_run(off);
        co_os_take_nmi();
        host_ran_ = true;
        // Whatever the guest says of its interrupts: when they were on this is an exit like any other, and one that says so
        // falsely must not keep the CPU
        taken_off_ = CpuWatch::was_preempted(cpu_.load(std::memory_order_relaxed));
        preemption_nmis_ += taken_off_;
        preempted_ = taken_off_ && !interrupts_on_;
        suspect_ |= preempted_;
        return taken_off_ ? Next::MayYield : Next::Reenter;
    case CO_CALL_MCE:
        cpu_state_.host_will_run(off);
        co_os_take_machine_check();
        host_ran_ = true;
        return Next::Reenter;
    case CO_CALL_IDLE:
        raise_timer_if(timer_.guest_sleeps(off));
        sleep_ = Sleep::Idle;
        return Next::Sleep;
    case CO_CALL_YIELD:
        taken_off_ = true; // it may spin on its way into an interrupt handler
        return arg0 ? Next::Pause : Next::Yield;
    case CO_CALL_LOCK_WAIT:
        if (lock_kicked_.exchange(false))
            return Next::Reenter;
        taken_off_ = true;
        sleep_ = Sleep::LockWait;
        return Next::Sleep;
    case CO_CALL_LOCK_KICK:
    case CO_CALL_KICK: {
        Vcpu* other = monitor_.vcpu(arg0);
        if (!other)
            break;
        call == CO_CALL_KICK ? other->notify() : other->lock_kick();
        return Next::Reenter;
    }
    case CO_CALL_SET_TIMER:
        raise_timer_if(timer_.set(off, arg0));
        return Next::Reenter;
    case CO_CALL_CLOCK:
        read_both_clocks(mail);
        return Next::Reenter;
    case CO_CALL_CPU_START:
        return start_other(mail);
    case CO_CALL_CPU_STOP:
        sleep_ = Sleep::Stopped;
        started_.store(false, std::memory_order_release); // from here on another vCPU may start it again
        return Next::Sleep;
    case CO_CALL_DEVICE:
        return ask_user(CO_EXIT_DEVICE, mail);
    case CO_CALL_DEBUGGER:
        taken_off_ = true; // a breakpoint may stand between a CPU's accepting an interrupt and its handing it over
        return ask_user(CO_EXIT_DEBUGGER, mail);
    case CO_CALL_POWER_OFF:
        return end_guest(CO_EXIT_POWER_OFF, mail);
    case CO_CALL_REBOOT:
        return end_guest(CO_EXIT_REBOOT, mail);
    case CO_CALL_HALT:
        return end_guest(CO_EXIT_HALT, mail);
    case CO_CALL_PANIC:
        return end_guest(CO_EXIT_PANIC, mail);
    case CO_CALL_PROTOCOL:
        return end_guest(CO_EXIT_PROTOCOL, mail);
    case CO_CALL_NMI_READY:
        nmi_ready_ = arg0;
        CpuWatch::enter(cpu_.load(std::memory_order_relaxed), nmi_ready_);
        return Next::Reenter;
    case CO_CALL_DEBUG:
        co_os_log("guest says %llx %llx", arg0, mail.arg[1]);
        return Next::Reenter;
    }
    monitor_.kill(CO_KILL_BAD_CALL, call);
    return Next::MayYield; // run() sees the end and reports it
}

Vcpu::Next Vcpu::ask_user(unsigned exit, const co_mailbox& mail)
{
    run_page_->exit = exit;
    for (unsigned i = 0; i < 4; ++i)
        run_page_->arg[i] = mail.arg[i];
    awaits_answer_ = true;
    return Next::ToUser;
}

Vcpu::Next Vcpu::start_other(co_mailbox& mail)
{
    Vcpu* other = monitor_.vcpu(mail.arg[0]);
    co_vcpu_entry entry = monitor_.first_entry();
    entry.rip = mail.arg[1];
    entry.rsp = mail.arg[2];
    entry.cr3 = mail.arg[3];
    entry.rdi = entry.rsi = 0;
    bool valid = other && other != this && monitor_.can_begin(entry) && entry_check_.maps(entry.cr3, entry.rip);
    Result<void> started = valid ? other->start(entry) : Error::InvalidArgument;
    mail.result[0] = started ? 0 : static_cast<co_u64>(started.error());
    return Next::Reenter;
}

Vcpu::Next Vcpu::end_guest(unsigned exit, const co_mailbox& mail)
{
    monitor_.end_with(exit, mail.arg);
    return Next::MayYield;
}

void Vcpu::leave_suspects()
{
    if (suspect_in_guest_)
        Suspects::leave();
    suspect_in_guest_ = false;
}

// One writer, the thread in run(); the daemon may look at any time.
void Vcpu::count_exits(unsigned stalls)
{
    __atomic_store_n(&run_page_->stalls, run_page_->stalls + stalls, __ATOMIC_RELAXED);
    __atomic_store_n(&run_page_->progress, run_page_->progress + interrupts_on_, __ATOMIC_RELAXED);
}

// Also what the thread waited for in user space, between two run(): on Linux it may have to after a preemption. What it waited before
// its first one is not the guest's; nor is what another thread waited, which is only guessed at: a daemon has one per vCPU.
void Vcpu::tell_stolen_time()
{
    std::uint64_t waited_ns = co_os_waited_ns();
    if (waited_ns_ != kUnknown && waited_ns > waited_ns_)
        stolen_ns_ += waited_ns - waited_ns_;
    waited_ns_ = waited_ns;
    __atomic_store_n(&passage_.page().stolen_ns, stolen_ns_, __ATOMIC_RELAXED);
}

// Not raise(): the guest's own call, which looks at `pending` on its way back
void Vcpu::raise_timer_if(bool due)
{
    if (due)
        __atomic_fetch_or(&passage_.page().pending, co_u64{1} << CO_PENDING_TIMER, __ATOMIC_SEQ_CST);
}

} // namespace colinux
