// SPDX-License-Identifier: GPL-2.0
#include "core/cpu_watch.hpp"

#include "core/arch/x86_64/cpu.hpp"

#include <colinux/host_os.h>

#include <atomic>

namespace colinux {

namespace {

constexpr unsigned kMaxCpus = 1024; // CPUs beyond are not watched

// A stay is named by the TSC at which it began; 0: none, or in a guest that must not get an NMI.
struct alignas(64) Slot {
    std::uint64_t stay;                   // the last one, for that CPU itself
    std::atomic<std::uint64_t> entered;   // the one that lasts
    std::atomic<std::uint64_t> kicked;    // was found overdue once
    std::atomic<std::uint64_t> preempted; // got an NMI
};

constinit Slot slots[kMaxCpus]{};
constinit std::atomic<std::uint64_t> limit_ticks{~0ull >> 1};

} // namespace

std::uint64_t CpuWatch::enter(unsigned cpu, bool nmi_ready)
{
    std::uint64_t now = cpu::read_tsc();
    if (cpu < kMaxCpus) {
        Slot& slot = slots[cpu];
        slot.stay = nmi_ready ? now : 0;
        slot.entered.store(slot.stay, std::memory_order_relaxed);
    }
    return now;
}

void CpuWatch::leave(unsigned cpu)
{
    if (cpu < kMaxCpus)
        slots[cpu].entered.store(0, std::memory_order_relaxed);
}

bool CpuWatch::was_preempted(unsigned cpu)
{
    if (cpu >= kMaxCpus || slots[cpu].stay == 0)
        return false;
    std::uint64_t stay = slots[cpu].stay; // an NMI for an earlier one, that came late, is nothing to this one
    return slots[cpu].preempted.compare_exchange_strong(stay, 0, std::memory_order_relaxed);
}

bool CpuWatch::is_preempted(unsigned cpu)
{
    return cpu < kMaxCpus && slots[cpu].stay != 0 && slots[cpu].preempted.load(std::memory_order_relaxed) == slots[cpu].stay;
}

// Time alone proves nothing: in a busy cloud or emulator a CPU stands still for 20 ms and more, whatever runs on it. So an
// overdue stay is first kicked, which ends it as soon as the CPU goes on with interrupts on; one that outlives this by
// a whole period gets the NMI, and another in each period that follows, since one may fall into the passage. Whether
// anything else waits for that CPU cannot be asked from here: no host shows its run queues, and who waits for the time
// slice's end waits for a tick that the guest keeps out. The kick is an interrupt that waits there, for certain.
void CpuWatch::check(unsigned watched)
{
    if (watched >= kMaxCpus)
        return;
    Slot& slot = slots[watched];
    std::uint64_t entered = slot.entered.load(std::memory_order_relaxed);
    // Signed: it may have been entered since the clock was read, or the clocks may differ a little
    auto lasted = static_cast<std::int64_t>(cpu::read_tsc() - entered);
    if (entered == 0 || lasted < static_cast<std::int64_t>(limit()))
        return;
    if (slot.kicked.exchange(entered, std::memory_order_relaxed) != entered) {
        co_os_kick_cpu(watched);
        return;
    }
    slot.preempted.store(entered, std::memory_order_relaxed);
    co_os_send_nmi(watched);
}

void CpuWatch::set_limit(std::uint64_t tsc_ticks) { limit_ticks.store(tsc_ticks, std::memory_order_relaxed); }

std::uint64_t CpuWatch::limit() { return limit_ticks.load(std::memory_order_relaxed); }

} // namespace colinux
