// SPDX-License-Identifier: GPL-2.0
#include "core/vcpu.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/cpu_watch.hpp"
#include "core/monitor.hpp"
#include "core/suspects.hpp"

namespace colinux {

namespace {

constexpr unsigned kIdtLimitWithNmi = 3 * 16 - 1;
constexpr int kErrnoInvalid = 22;
constexpr unsigned kClockTries = 10;
constexpr std::uint64_t kLongestTimerNs = 1ull << 60; // later than this machine will run, and no overflow in any host

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

Vcpu::Vcpu(Monitor& monitor, unsigned index, FrameCounter& counter)
    : monitor_{monitor}, index_{index}, counter_{counter}, passage_{counter}
{
}

Vcpu::~Vcpu()
{
    if (timer_)
        co_os_timer_destroy(timer_);
    if (waiter_)
        co_os_waiter_destroy(waiter_);
    if (fpu_)
        co_os_fpu_destroy(fpu_);
    if (run_frame_.value) {
        co_os_frame_free(run_frame_.value);
        counter_.remove(1);
    }
}

Result<void> Vcpu::create(const co_set_passage& where, unsigned levels)
{
    run_frame_ = Phys{co_os_frame_allocate()};
    if (run_frame_.value == 0)
        return Error::NoMemory;
    counter_.add(1);
    run_page_ = static_cast<co_run*>(co_os_frame_address(run_frame_.value));
    fpu_ = co_os_fpu_create();
    timer_ = co_os_timer_create(timer_expired, this);
    waiter_ = co_os_waiter_create();
    if (!fpu_ || !timer_ || !waiter_)
        return Error::NoMemory;
    return passage_.create(where, index_, levels);
}

Result<void> Vcpu::start(const co_vcpu_entry& entry)
{
    if (started_.load(std::memory_order_acquire))
        return Error::Busy;
    passage_.set_first_state(entry);
    cpu_state_.begin();
    sleep_ = Sleep::None;
    suspect_ = false;
    checks_pending_ = false; // it may have run before, and been stopped
    // An IDT at entry has an NMI gate (abi.h): the CPU can be taken back from the first instruction on. It must be from a
    // secondary that spins, with interrupts off, for the one that started it.
    nmi_ready_ = entry.idt_limit >= kIdtLimitWithNmi;
    started_.store(true, std::memory_order_release);
    notify();
    return {};
}

Result<void> Vcpu::run()
{
    if (claimed_.exchange(true))
        return Error::Busy;
    if (awaits_device_) {
        passage_.page().mailbox.result[0] = run_page_->result;
        awaits_device_ = false;
    }
    co_os_fpu_attach(fpu_);
    for (Next next = Next::MayYield; next != Next::ToUser;) {
        if (monitor_.ended()) {
            fill_end_of_guest();
            break;
        }
        if (co_os_must_return() || __atomic_load_n(&run_page_->immediate_exit, __ATOMIC_RELAXED)) {
            run_page_->exit = CO_EXIT_INTERRUPTED;
            break;
        }
        if (!must_wake()) {
            sleep();
            continue;
        }
        next = burst();
        leave_suspects();
        if (next == Next::Pause)
            co_os_pause();
        else if (next != Next::ToUser) // after every burst, also when what it wants to sleep for has come: nobody else would run
            co_os_yield(next == Next::Yield);
    }
    co_os_fpu_detach(fpu_);
    claimed_.store(false, std::memory_order_release);
    return {};
}

void Vcpu::leave_suspects()
{
    if (suspect_in_guest_)
        Suspects::leave();
    suspect_in_guest_ = false;
}

void Vcpu::fill_end_of_guest()
{
    const Monitor::End& end = monitor_.end();
    run_page_->exit = end.exit;
    for (unsigned i = 0; i < 4; ++i)
        run_page_->arg[i] = end.arg[i];
}

// ---- sleeping and waking ------------------------------------------------------------------------------------

bool Vcpu::must_wake()
{
    if (!started_.load(std::memory_order_acquire) || sleep_ == Sleep::Stopped)
        return false;
    if (sleep_ == Sleep::None)
        return true;
    if (sleep_ == Sleep::LockWait && lock_kicked_.load())
        return true;
    // With its interrupts off the guest could not take what is pending, and would only call again. The idle loop looks for itself.
    bool can_take = sleep_ == Sleep::Idle || interrupts_on_;
    return can_take && __atomic_load_n(&passage_.page().pending, __ATOMIC_SEQ_CST) != 0;
}

CO_ABI bool Vcpu::wake_condition(void* self)
{
    auto& vcpu = *static_cast<Vcpu*>(self);
    return vcpu.must_wake() || vcpu.monitor_.ended() ||
           __atomic_load_n(&vcpu.run_page_->immediate_exit, __ATOMIC_RELAXED);
}

void Vcpu::sleep()
{
    mode_.store(Mode::Asleep);
    co_os_wait(waiter_, wake_condition, this);
    mode_.store(Mode::Host);
}

void Vcpu::notify()
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
    switch (mode_.load()) {
    case Mode::Guest:
        co_os_kick_cpu(cpu_.load(std::memory_order_relaxed));
        break;
    case Mode::Asleep:
        co_os_wake(waiter_);
        break;
    case Mode::Host:
        break; // looks for itself before it enters or sleeps
    }
}

void Vcpu::raise(unsigned pending_bit)
{
    co_u64 bit = co_u64{1} << pending_bit;
    if (!(__atomic_fetch_or(&passage_.page().pending, bit, __ATOMIC_SEQ_CST) & bit))
        notify();
}

void Vcpu::lock_kick()
{
    lock_kicked_.store(true);
    notify();
}

CO_ABI void Vcpu::timer_expired(void* vcpu) { static_cast<Vcpu*>(vcpu)->raise(CO_PENDING_TIMER); }

void Vcpu::set_timer(std::uint64_t deadline)
{
    if (deadline == 0) {
        co_os_timer_stop(timer_);
        return;
    }
    std::uint64_t now = cpu::read_tsc();
    if (deadline <= now) {
        co_os_timer_stop(timer_);
        __atomic_fetch_or(&passage_.page().pending, co_u64{1} << CO_PENDING_TIMER, __ATOMIC_SEQ_CST);
        return;
    }
    std::uint64_t delay_ns = monitor_.ticks_to_ns(deadline - now);
    co_os_timer_start(timer_, delay_ns < kLongestTimerNs ? delay_ns : kLongestTimerNs);
}

// ---- in the guest -------------------------------------------------------------------------------------------

Vcpu::Next Vcpu::burst()
{
    InterruptsOff off;
    if (co_os_msrs_are_lent()) { // they are the host's again when this thread has been in user space
        run_page_->exit = CO_EXIT_INTERRUPTED;
        return Next::ToUser;
    }
    if (suspect_ && !Suspects::enter())
        return Next::Pause;
    suspect_in_guest_ = suspect_;
    co_passage& page = passage_.page();
    if (sleep_ == Sleep::LockWait)
        lock_kicked_.store(false); // the kick that ended the wait; the guest looks at its lock now
    sleep_ = Sleep::None;
    cpu_.store(co_os_cpu(), std::memory_order_relaxed);
    cpu_state_.enter_guest_mode(off, page);
    taken_off_ = false;
    Next next;
    std::uint64_t since = cpu::read_tsc();
    bool overdue = false;
    do {
        cross(off);
        next = serve(off, page.mailbox);
        if (next == Next::Reenter && interrupts_on_)
            next = Next::MayYield;
        if (next != Next::Reenter) {
            since = cpu::read_tsc();
            overdue = false;
        } else if (std::uint64_t now = cpu::read_tsc(); now - since > CpuWatch::limit()) {
            // One call after the other, with interrupts off on both sides: as bad as spinning in there, same cure. And as
            // there (CpuWatch::check) not the first time: the CPU itself may have stood still.
            if (overdue) {
                next = Next::MayYield;
                taken_off_ = suspect_ = true;
                break;
            }
            since = now;
            overdue = true;
        }
        // After a preemption NMI the host's interrupts must have their turn, whether it wants the CPU or not
    } while (next == Next::Reenter ||
             (next == Next::MayYield && !taken_off_ && !co_os_must_yield() && !monitor_.ended()));
    if (taken_off_ || monitor_.ended())
        take_accepted_interrupts();
    cpu_state_.leave_guest_mode(off, page);
    return next;
}

// The guest may have been stopped (by a preemption NMI, by its own end, by a lock that its kernel takes on the way to the
// handler, such as jiffies_lock) after its CPU accepted an interrupt and before it handed that over. The host must not
// wait for it: no interrupt of that priority would come any more.
void Vcpu::take_accepted_interrupts()
{
    constexpr unsigned kVectors = 256;
    for (unsigned limit = kVectors; limit > 0; --limit) {
        unsigned vector = co_os_vector_in_service();
        if (vector < 32 || vector >= kVectors)
            return;
        co_os_take_interrupt(vector);
    }
}

void Vcpu::cross(InterruptsOff& off)
{
    co_passage& page = passage_.page();
    co_os_fpu_load();
    mode_.store(Mode::Guest);
    // What became pending before this line is seen here, what comes later kicks us. The guest looks itself when it
    // said so; else an interrupt to ourselves brings it back as soon as it can take one. The same when the host
    // wants the CPU but must wait for the guest's interrupts to come on.
    if ((!checks_pending_ && __atomic_load_n(&page.pending, __ATOMIC_SEQ_CST)) || co_os_must_yield())
        co_os_kick_cpu(cpu_.load(std::memory_order_relaxed));
    cpu_state_.before_switch(off, page);
    CpuWatch::enter(cpu_.load(std::memory_order_relaxed), nmi_ready_);
    passage_.cross();
    CpuWatch::leave(cpu_.load(std::memory_order_relaxed));
    cpu_state_.after_switch(off, page);
    mode_.store(Mode::Host);
    co_os_note_guest();
    if (page.saw_nmi) {
        page.saw_nmi = 0;
        ++passage_nmis_;
        co_os_take_nmi();
    }
    if (page.saw_mce) {
        page.saw_mce = 0;
        co_os_take_machine_check();
    }
}

Vcpu::Next Vcpu::serve(InterruptsOff&, co_mailbox& mail)
{
    // The page is the guest's too: read once, then use the copy
    unsigned call = __atomic_load_n(&mail.call, __ATOMIC_RELAXED);
    unsigned flags = __atomic_load_n(&mail.flags, __ATOMIC_RELAXED);
    co_u64 arg0 = __atomic_load_n(&mail.arg[0], __ATOMIC_RELAXED);
    checks_pending_ = flags & CO_MAILBOX_CHECKS_PENDING;
    interrupts_on_ = flags & CO_MAILBOX_INTERRUPTS_ON;
    if (call < CO_CALL_COUNT)
        ++calls_[call];
    if (interrupts_on_ || call == CO_CALL_INTERRUPT || call == CO_CALL_IDLE || call == CO_CALL_YIELD || call == CO_CALL_LOCK_WAIT) {
        suspect_ = false; // it lets others have the CPU
        leave_suspects();
    }

    switch (call) {
    case CO_CALL_INTERRUPT:
        if (arg0 < 32 || arg0 > 255)
            break;
        // The guest's word is not enough: some vectors stop a CPU. And the host may have taken it early, see above
        if (co_os_vector_is_due(arg0))
            co_os_take_interrupt(arg0);
        return Next::MayYield;
    case CO_CALL_NMI:
        co_os_take_nmi();
        // Whatever the guest says of its interrupts: when they were on this is an exit like any other, and one that says so
        // falsely must not keep the CPU
        taken_off_ = CpuWatch::was_preempted(cpu_.load(std::memory_order_relaxed));
        suspect_ |= taken_off_ && !interrupts_on_;
        return taken_off_ ? Next::MayYield : Next::Reenter;
    case CO_CALL_MCE:
        co_os_take_machine_check();
        return Next::Reenter;
    case CO_CALL_IDLE:
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
        set_timer(arg0);
        return Next::Reenter;
    case CO_CALL_CLOCK:
        read_both_clocks(mail);
        return Next::Reenter;
    case CO_CALL_DOORBELL:
        monitor_.ring_doorbell(arg0);
        return Next::Reenter;
    case CO_CALL_CPU_START:
        return start_other(mail);
    case CO_CALL_CPU_STOP:
        sleep_ = Sleep::Stopped;
        started_.store(false, std::memory_order_release); // from here on another vCPU may start it again
        return Next::Sleep;
    case CO_CALL_DEVICE:
        return serve_device(mail);
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
        return Next::Reenter;
    case CO_CALL_DEBUG:
        co_os_log("guest says %llx %llx", arg0, mail.arg[1]);
        return Next::Reenter;
    }
    monitor_.kill(CO_KILL_BAD_CALL, call);
    return Next::MayYield; // run() sees the end and reports it
}

Vcpu::Next Vcpu::serve_device(co_mailbox& mail)
{
    run_page_->exit = CO_EXIT_DEVICE;
    for (unsigned i = 0; i < 4; ++i)
        run_page_->arg[i] = mail.arg[i];
    awaits_device_ = true;
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
    Result<void> started = other && other != this ? other->start(entry) : Error::InvalidArgument;
    mail.result[0] = started ? 0 : other ? static_cast<co_u64>(started.error()) : kErrnoInvalid;
    return Next::Reenter;
}

Vcpu::Next Vcpu::end_guest(unsigned exit, const co_mailbox& mail)
{
    monitor_.end_with(exit, mail.arg);
    return Next::MayYield;
}

} // namespace colinux
