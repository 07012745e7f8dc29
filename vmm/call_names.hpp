// SPDX-License-Identifier: GPL-2.0
// The names of the guest's calls (CO_CALL_*), as `colinux stats` and reports print them.
#pragma once

#include <colinux/passage.h>

#include <iterator>

namespace colinux {

inline constexpr const char* kCallNames[] = {
    "none",   "interrupt", "nmi",   "mce",       "idle",      "yield",    "lock_wait", "lock_kick",
    "kick",   "set_timer", "clock", "doorbell",  "cpu_start", "cpu_stop", "device",    "power_off",
    "reboot", "halt",      "panic", "nmi_ready", "protocol",  "debug",    "debugger",
};
static_assert(std::size(kCallNames) == CO_CALL_COUNT);

inline const char* call_name(unsigned call) { return call < CO_CALL_COUNT ? kCallNames[call] : "unknown"; }

} // namespace colinux
