// SPDX-License-Identifier: GPL-2.0
// What can be said about a guest that stands still or has died, as JSON: for each CPU its registers, what it was doing,
// and the call trace with symbols. docs/debugging.md lists the fields; `colinux report` prints them for people.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/inspect/guest_kernel.hpp"

#include <colinux/passage.h>

#include <nlohmann/json.hpp>

#include <vector>

namespace colinux {

// The CPUs of a guest, with the passage and the CO_SLEEP_* of each.
nlohmann::json report_cpus(const GuestKernel& kernel, const GuestMemory& memory, const std::vector<co_passage>& passages,
                           const std::vector<unsigned>& sleeps);

} // namespace colinux
