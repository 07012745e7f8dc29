// SPDX-License-Identifier: GPL-2.0
// Which task a CPU of the guest runs, from the kernel's own data by way of its types (BTF).
#pragma once

#include "vmm/inspect/guest_kernel.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace colinux {

struct RunningTask {
    std::int32_t pid;
    std::string name; // printable
};

// `per_cpu`: where the CPU's per-CPU data lies: its GS base in the kernel.
std::optional<RunningTask> running_task(const GuestKernel& kernel, const GuestPages& pages, std::uint64_t per_cpu);

} // namespace colinux
