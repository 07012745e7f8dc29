// SPDX-License-Identifier: GPL-2.0
#include "core/cpu_watch.hpp"

#include "core/arch/x86_64/cpu.hpp"

#include <colinux/host_os.h>

#include <atomic>

namespace colinux {

namespace {

constexpr unsigned kMaxCpus = 1024; // CPUs beyond are not watched

struct alignas(64) Slot {
    std::atomic<std::uint64_t> entered; // TSC; 0: not in a guest, or the guest must not get an NMI
    std::atomic<bool> preempted;
};

constinit Slot slots[kMaxCpus]{};
constinit std::atomic<std::uint64_t> limit_ticks{~0ull};
constinit std::atomic<std::uint64_t> preemption_count{0};

} // namespace

void CpuWatch::enter(unsigned cpu, bool nmi_ready)
{
    if (cpu >= kMaxCpus)
        return;
    slots[cpu].preempted.store(false, std::memory_order_relaxed);
    slots[cpu].entered.store(nmi_ready ? cpu::read_tsc() : 0, std::memory_order_relaxed);
}

void CpuWatch::leave(unsigned cpu)
{
    if (cpu < kMaxCpus)
        slots[cpu].entered.store(0, std::memory_order_relaxed);
}

bool CpuWatch::was_preempted(unsigned cpu)
{
    return cpu < kMaxCpus && slots[cpu].preempted.exchange(false, std::memory_order_relaxed);
}

void CpuWatch::check(unsigned watched)
{
    if (watched >= kMaxCpus)
        return;
    std::uint64_t entered = slots[watched].entered.load(std::memory_order_relaxed);
    if (entered == 0 || cpu::read_tsc() - entered < limit_ticks.load(std::memory_order_relaxed))
        return;
    slots[watched].preempted.store(true, std::memory_order_relaxed);
    preemption_count.fetch_add(1, std::memory_order_relaxed);
    co_os_send_nmi(watched);
}

void CpuWatch::set_limit(std::uint64_t tsc_ticks) { limit_ticks.store(tsc_ticks, std::memory_order_relaxed); }

std::uint64_t CpuWatch::limit() { return limit_ticks.load(std::memory_order_relaxed); }

std::uint64_t CpuWatch::preemptions() { return preemption_count.load(std::memory_order_relaxed); }

} // namespace colinux
