// SPDX-License-Identifier: GPL-2.0
// GuestEnd: how a guest ended, as the exit code of `colinux run` and one line for a person.
#pragma once

#include "control/failure.hpp"
#include "control/guest_memory.hpp"

#include <colinux/abi.h>
#include <nlohmann/json.hpp>

#include <string>

namespace colinux {

struct GuestEnd {
    ExitCode code{ExitCode::Internal};
    std::string reason;   // "powered off", "panic: Fatal exception"
    std::string report{}; // file that tells more; empty: there is none
    std::string dump{};   // likewise its memory

    // It did not end by anybody's wish.
    bool is_crash() const { return code == ExitCode::GuestPanic || code == ExitCode::GuestHang || code == ExitCode::GuestFault; }
};

// For whoever hears of the end: "code", "reason" and, where there are such files, "report" and "dump".
nlohmann::json end_fields(const GuestEnd& end);

// `run` shows one of the exits that end a guest (CO_EXIT_POWER_OFF and later). A panic's text is read
// from guest memory and made printable.
GuestEnd describe_end(const co_run& run, const GuestMemory& memory);

} // namespace colinux
