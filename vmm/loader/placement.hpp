// SPDX-License-Identifier: GPL-2.0
// Placement: which part of guest memory gets the kernel image, the graft's window and the initrd.
#pragma once

#include "control/guest_memory.hpp"

#include <cstdint>
#include <string>

namespace colinux {

struct Placement {
    std::uint64_t kernel; // 2 MiB aligned; the window follows the image in the same run
    std::uint64_t graft;  // 2 MiB aligned
    std::uint64_t initrd; // page aligned, in any run; 0 when there is none
};

// `kernel_bytes` is a multiple of 2 MiB. Failure MemoryNotFound; `path` names the kernel in its message.
Placement place_kernel(const GuestMemory& memory, std::uint64_t kernel_bytes, std::uint64_t initrd_bytes, const std::string& path);

} // namespace colinux
