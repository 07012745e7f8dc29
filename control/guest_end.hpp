// SPDX-License-Identifier: GPL-2.0
// GuestEnd: how a guest ended, as the exit code of `colinux run` and one line for a person.
#pragma once

#include "control/failure.hpp"
#include "control/guest_memory.hpp"

#include <colinux/abi.h>

#include <string>

namespace colinux {

struct GuestEnd {
    ExitCode code{ExitCode::Internal};
    std::string reason; // "powered off", "panic: Fatal exception"
};

// `run` shows one of the exits that end a guest (CO_EXIT_POWER_OFF and later). A panic's text is read
// from guest memory and made printable.
GuestEnd describe_end(const co_run& run, const GuestMemory& memory);

} // namespace colinux
