// SPDX-License-Identifier: GPL-2.0
// co_os_*: this CPU, time, waiting, locks, the log. See FakeHost.
#include "tests/fakes/fake_host.hpp"

#include <algorithm>
#include <utility>

using colinux::host;

struct co_os_waiter {};
struct co_os_lock {
    bool held;
};

// ---- this CPU -----------------------------------------------------------------------------------------------

CO_ABI void co_os_interrupts_off(void)
{
    host().record("interrupts_off");
    host().on_interrupts_off();
    if (host().interrupts_off)
        host().violation("interrupts off, nested");
    host().interrupts_off = true;
}

CO_ABI void co_os_interrupts_on(void)
{
    host().record("interrupts_on");
    if (!host().interrupts_off)
        host().violation("interrupts on, which they are");
    host().interrupts_off = false;
    host().fpu_loaded = false; // the thread may be preempted from here on
}

CO_ABI co_u32 co_os_cpu(void)
{
    host().must_be_off("cpu");
    return host().current_cpu;
}

CO_ABI void co_os_take_interrupt(co_u32 vector)
{
    host().must_be_off("take_interrupt");
    host().history.back().a = vector;
    if (vector < 32 || vector > 255)
        host().violation("took an exception as an interrupt");
    host().in_service.erase(vector); // its handler says EOI
    host().fpu_loaded = false;       // and may have used the FPU
    host().on_take_interrupt(vector);
}

CO_ABI co_u32 co_os_vector_in_service(void)
{
    host().must_be_off("vector_in_service");
    return host().in_service.empty() ? 0 : *host().in_service.rbegin();
}

CO_ABI CO_BOOL co_os_vector_is_due(co_u32 vector)
{
    host().must_be_off("vector_is_due");
    return host().in_service.contains(vector);
}

CO_ABI void co_os_take_nmi(void)
{
    host().must_be_off("take_nmi");
    host().fpu_loaded = false;
    host().on_take_nmi();
}

CO_ABI void co_os_take_machine_check(void)
{
    host().must_be_off("take_machine_check");
    host().fpu_loaded = false;
}

CO_ABI void co_os_kick_cpu(co_u32 cpu) { host().record("kick_cpu", cpu); }
CO_ABI void co_os_send_nmi(co_u32 cpu) { host().record("send_nmi", cpu); }

CO_ABI bool co_os_must_yield(void)
{
    host().must_be_off("must_yield");
    return host().must_yield || host().must_return;
}

CO_ABI bool co_os_must_return(void) { return host().must_return; }
CO_ABI bool co_os_msrs_are_lent(void) { return host().msrs_are_lent; }
CO_ABI bool co_os_interrupted(void) { return host().must_return; }

CO_ABI co_u32 co_os_online_cpus(void)
{
    host().must_be_off("online_cpus");
    return host().online_cpus;
}

CO_ABI void co_os_pause(void)
{
    host().may_sleep("pause");
    host().on_pause();
}

CO_ABI void co_os_yield(bool eager)
{
    host().may_sleep(eager ? "yield_eagerly" : "yield");
    host().fpu_loaded = false;
    host().must_yield = false;
    host().on_yield();
}

CO_ABI void co_os_note_guest(void) { host().must_be_off("note_guest"); }

// ---- time ---------------------------------------------------------------------------------------------------

CO_ABI co_u64 co_os_waited_ns(void) { return host().waited_ns; }
CO_ABI co_u32 co_os_tsc_khz(void) { return host().tsc_khz; }
CO_ABI bool co_os_tsc_is_unstable(void) { return host().tsc_is_unstable; }
CO_ABI co_u32 co_os_longest_stay_us(void) { return host().longest_stay_us; }
CO_ABI co_u64 co_os_wall_clock_ns(void)
{
    co_u64 now = host().wall_clock_ns;
    if (host().on_wall_clock)
        host().on_wall_clock();
    return now;
}

CO_ABI co_os_timer* co_os_timer_create(CO_ABI void (*expired)(void* context), void* context)
{
    host().may_sleep("timer_create");
    if (host().allocation_fails())
        return nullptr;
    ++host().handles;
    return host().timers.emplace_back(new co_os_timer{expired, context, false, 0});
}

CO_ABI void co_os_timer_destroy(co_os_timer* timer)
{
    host().may_sleep("timer_destroy");
    --host().handles;
    std::erase(host().timers, timer);
    delete timer;
}

CO_ABI void co_os_timer_start(co_os_timer* timer, co_u64 delay_ns)
{
    host().record("timer_start", delay_ns);
    timer->armed = true;
    timer->delay_ns = delay_ns;
}

CO_ABI void co_os_timer_stop(co_os_timer* timer)
{
    host().record("timer_stop");
    timer->armed = false;
}

// ---- waiting, locks -----------------------------------------------------------------------------------------

CO_ABI co_os_waiter* co_os_waiter_create(void)
{
    host().may_sleep("waiter_create");
    if (host().allocation_fails())
        return nullptr;
    ++host().handles;
    return new co_os_waiter{};
}

CO_ABI void co_os_waiter_destroy(co_os_waiter* waiter)
{
    host().may_sleep("waiter_destroy");
    --host().handles;
    delete waiter;
}

CO_ABI void co_os_wait(co_os_waiter*, CO_ABI bool (*ready)(void* context), void* context)
{
    host().may_sleep("wait");
    host().fpu_loaded = false;
    while (!ready(context) && !host().must_return) {
        if (host().while_waiting.empty()) {
            host().must_return = true;
            return;
        }
        auto event = host().while_waiting.front();
        host().while_waiting.pop_front();
        host().woken = false;
        event();
        if (ready(context) && !host().woken && !host().must_return)
            host().violation("a sleeper was not woken");
    }
}

CO_ABI void co_os_wake(co_os_waiter*)
{
    host().record("wake");
    host().woken = true;
}

CO_ABI co_os_lock* co_os_lock_create(void)
{
    host().may_sleep("lock_create");
    if (host().allocation_fails())
        return nullptr;
    ++host().handles;
    return new co_os_lock{};
}

CO_ABI void co_os_lock_destroy(co_os_lock* lock)
{
    host().may_sleep("lock_destroy");
    if (lock->held)
        host().violation("destroyed a held lock");
    --host().handles;
    delete lock;
}

CO_ABI void co_os_lock_acquire(co_os_lock* lock)
{
    host().may_sleep("lock_acquire");
    if (lock->held)
        host().violation("deadlock");
    lock->held = true;
}

CO_ABI void co_os_lock_release(co_os_lock* lock)
{
    host().record("lock_release");
    lock->held = false;
}

CO_ABI void co_os_log(const char*, co_u64 a, co_u64 b) { host().record("log", a, b); }
