// SPDX-License-Identifier: GPL-2.0
#include "core/guest_timer.hpp"

#include "core/arch/x86_64/cpu.hpp"

namespace colinux {

namespace {

constexpr std::uint64_t kLongestTimerNs = 1ull << 60; // later than this machine will run, and no overflow in any host
constexpr std::uint64_t kLongestTickMs = 20;          // what lies further apart is no tick

} // namespace

GuestTimer::~GuestTimer()
{
    if (timer_)
        co_os_timer_destroy(timer_);
}

Result<void> GuestTimer::create(co_passage& page, std::uint64_t ns_per_tick_32, Callback callback, void* context)
{
    page_ = &page;
    ns_per_tick_32_ = ns_per_tick_32;
    ticks_per_ms_ = co_os_tsc_khz();
    timer_ = co_os_timer_create(callback, context);
    if (!timer_)
        return Error::NoMemory;
    return {};
}

// The guest may read an old value of timer_armed, or the thread may have armed the timer again meanwhile and this says wrongly that it
// is not: then the guest makes a call that it need not make. It never misses one, for who is told looks here.
void GuestTimer::expired()
{
    __atomic_store_n(&page_->timer_armed, 0, __ATOMIC_RELAXED);
    expired_.store(true, std::memory_order_release);
}

void GuestTimer::arm(std::uint64_t deadline, std::uint64_t now)
{
    auto ns = static_cast<std::uint64_t>((static_cast<unsigned __int128>(deadline - now) * ns_per_tick_32_) >> 32);
    co_os_timer_start(timer_, ns < kLongestTimerNs ? ns : kLongestTimerNs);
    __atomic_store_n(&page_->timer_armed, deadline, __ATOMIC_RELAXED); // not before: the guest relies on it
}

void GuestTimer::disarm()
{
    __atomic_store_n(&page_->timer_armed, 0, __ATOMIC_RELAXED);
    co_os_timer_stop(timer_);
}

bool GuestTimer::set(InterruptsOff&, std::uint64_t deadline)
{
    std::uint64_t now = cpu::read_tsc();
    if (deadline > now) {
        arm(deadline, now);
        return false;
    }
    disarm();
    return deadline != 0;
}

bool GuestTimer::guest_sleeps(InterruptsOff& off)
{
    if (__atomic_load_n(&page_->timer_slack, __ATOMIC_RELAXED) == 0)
        return false;
    std::uint64_t deadline = __atomic_load_n(&page_->timer_deadline, __ATOMIC_RELAXED);
    if (deadline == __atomic_load_n(&page_->timer_armed, __ATOMIC_RELAXED) && deadline != 0)
        return false; // a timer that has expired says 0 there
    return set(off, deadline);
}

void GuestTimer::guest_woke(InterruptsOff&)
{
    if (__atomic_load_n(&page_->timer_slack, __ATOMIC_RELAXED) == 0)
        return;
    std::uint64_t now = cpu::read_tsc(), soon = now + ticks_per_ms_;
    look(now);
    std::uint64_t armed = __atomic_load_n(&page_->timer_armed, __ATOMIC_RELAXED);
    if (armed == 0 || armed > soon)
        arm(soon, now);
}

void GuestTimer::host_ran(InterruptsOff&)
{
    if (expired_.load(std::memory_order_acquire) && __atomic_load_n(&page_->timer_slack, __ATOMIC_RELAXED) != 0)
        look(cpu::read_tsc());
}

// After a timer that expired: where will the next deadline be?
void GuestTimer::look(std::uint64_t now)
{
    if (!expired_.exchange(false, std::memory_order_acquire))
        return;
    std::uint64_t deadline = __atomic_load_n(&page_->timer_deadline, __ATOMIC_RELAXED);
    if (deadline == 0)
        return;
    if (deadline > now) { // too early: an expectation that did not come true
        arm(deadline, now);
        return;
    }
    std::uint64_t tick = deadline - last_due_, slack = __atomic_load_n(&page_->timer_slack, __ATOMIC_RELAXED);
    last_due_ = deadline;
    __atomic_store_n(&page_->timer_deadline, 0, __ATOMIC_RELAXED); // it is the guest's interrupt now
    // It may be a later deadline than the one whose timer expired, and arm() below would move that timer
    __atomic_fetch_or(&page_->pending, co_u64{1} << CO_PENDING_TIMER, __ATOMIC_SEQ_CST);
    if (tick == 0 || tick > kLongestTickMs * ticks_per_ms_ || slack > ticks_per_ms_)
        return;
    std::uint64_t next = deadline + tick + slack / 2; // a few ticks later than expected is covered, too
    if (next > now)
        arm(next, now);
}

} // namespace colinux
