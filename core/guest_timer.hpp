// SPDX-License-Identifier: GPL-2.0
// GuestTimer: a vCPU's timer interrupt, on one timer of the host. The guest leaves for it only when it must:
//
//   The guest writes the time it wants to be interrupted at into its passage page (timer_deadline) and looks when the host
//   will look next (timer_armed). Only when that is too late does it call. The host, for its part, arms its timer where it
//   expects the next deadline: after one that was due, as far behind it as it was behind the one before (a kernel's tick);
//   after a sleep, a moment later (a kernel that goes idle again at once never asks for its tick). It arms exactly what
//   is wanted when the guest sleeps.
//
// So a busy guest's tick costs one crossing instead of two, and an idle guest's wake-up one instead of three. A timer that expired
// too early reaches the guest as an interrupt, which finds that its deadline has not come, and ignores it.
// That is for guests that say so (timer_slack != 0); for the others each deadline is a call.
//
// All but expired() is for the vCPU's thread, while its guest does not run. What the guest wrote is only ever a time.
#pragma once

#include "base/result.hpp"
#include "core/interrupts_off.hpp"

#include <colinux/host_os.h>
#include <colinux/passage.h>

#include <atomic>
#include <cstdint>

namespace colinux {

class GuestTimer {
public:
    using Callback = CO_ABI void (*)(void* context);

    GuestTimer() = default;
    ~GuestTimer();
    GuestTimer(const GuestTimer&) = delete;
    GuestTimer& operator=(const GuestTimer&) = delete;

    // `callback(context)` runs [atomic] when the host's timer expires, and must call expired(). `ns_per_tick_32`: nanoseconds per
    // TSC tick, 32 binary places. Errors: NoMemory.
    Result<void> create(co_passage& page, std::uint64_t ns_per_tick_32, Callback callback, void* context);

    void expired(); // any context but NMI; before the vCPU is told

    // CO_CALL_SET_TIMER: at this TSC value, 0 = never. True when it is due already, or, for the others, ...
    [[nodiscard]] bool set(InterruptsOff&, std::uint64_t deadline);
    [[nodiscard]] bool guest_sleeps(InterruptsOff& off); // ... what the page says is: the guest must have its interrupt
    void guest_woke(InterruptsOff& off);
    void host_ran(InterruptsOff& off); // a handler of the host, perhaps that of our timer

private:
    void arm(std::uint64_t deadline, std::uint64_t now);
    void disarm();
    void look(std::uint64_t now);

    co_passage* page_{};
    co_os_timer* timer_{};
    std::uint64_t ns_per_tick_32_{};
    std::uint64_t ticks_per_ms_{};
    std::uint64_t last_due_{};
    std::atomic<bool> expired_{false};
};

} // namespace colinux
