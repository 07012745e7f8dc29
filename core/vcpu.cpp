// SPDX-License-Identifier: GPL-2.0
#include "core/vcpu.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/monitor.hpp"

namespace colinux {

namespace {

constexpr unsigned kIdtLimitWithNmi = 3 * 16 - 1;

} // namespace

Vcpu::Vcpu(Monitor& monitor, unsigned index, FrameCounter& counter)
    : monitor_{monitor}, index_{index}, counter_{counter}, passage_{counter}, entry_check_{monitor.ram()}
{
}

Vcpu::~Vcpu()
{
    if (waiter_)
        co_os_waiter_destroy(waiter_);
    if (fpu_)
        co_os_fpu_destroy(fpu_);
    if (run_frame_.value) {
        run_mapping_.unmap();
        co_os_frame_free(run_frame_.value);
        counter_.remove(1);
    }
}

Result<void> Vcpu::create(Phys guest_table, unsigned window_page)
{
    run_frame_ = Phys{co_os_frame_allocate()};
    if (run_frame_.value == 0)
        return Error::NoMemory;
    counter_.add(1);
    run_mapping_ = FrameMapping{run_frame_};
    run_page_ = run_mapping_.as<co_run>();
    fpu_ = co_os_fpu_create();
    waiter_ = co_os_waiter_create();
    if (!fpu_ || !waiter_)
        return Error::NoMemory;
    TRY(passage_.create(guest_table, window_page, index_));
    TRY(timer_.create(passage_.page(), monitor_.ns_per_tick_32(), timer_expired, this));
    entry_check_.create(guest_table, window_page, PassageWindow::data_entry(passage_.frame()));
    return {};
}

Result<void> Vcpu::start(const co_vcpu_entry& entry)
{
    if (started_.load(std::memory_order_acquire))
        return Error::Busy;
    passage_.set_first_state(entry);
    cpu_state_.begin();
    while (is_busy_.exchange(true, std::memory_order_acquire)) // for a moment: both others have interrupts off
        cpu::barrier();
    entry_check_.start(passage_.page());
    is_busy_.store(false, std::memory_order_release);
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
    if (awaits_answer_) {
        passage_.page().mailbox.result[0] = run_page_->result;
        awaits_answer_ = false;
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
        else if (next != Next::ToUser && next != Next::Reenter) // after every burst, also when what it wants to sleep for has come: nobody else would run
            co_os_yield(next == Next::Yield);
    }
    co_os_fpu_detach(fpu_);
    claimed_.store(false, std::memory_order_release);
    return {};
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
    unsigned reason = !started_.load(std::memory_order_acquire) ? CO_SLEEP_STOPPED
                      : sleep_ == Sleep::LockWait               ? CO_SLEEP_LOCK_WAIT
                                                                : CO_SLEEP_IDLE;
    __atomic_store_n(&run_page_->sleep, reason, __ATOMIC_RELAXED);
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

bool Vcpu::forget_memory()
{
    InterruptsOff off; // start() waits for it
    if (is_busy_.exchange(true, std::memory_order_acquire))
        return false;
    entry_check_.forget(passage_.page());
    is_busy_.store(false, std::memory_order_release);
    return true;
}

void Vcpu::lock_kick()
{
    lock_kicked_.store(true);
    notify();
}

CO_ABI void Vcpu::timer_expired(void* self)
{
    auto& vcpu = *static_cast<Vcpu*>(self);
    vcpu.timer_.expired();
    vcpu.raise(CO_PENDING_TIMER);
}

} // namespace colinux
