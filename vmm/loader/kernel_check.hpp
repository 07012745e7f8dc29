// SPDX-License-Identifier: GPL-2.0
// Which graft is a kernel's, and the question that `colinux graft check` asks: does it fit?
#pragma once

#include "vmm/loader/graft_object.hpp"

#include <cstdint>
#include <string>

namespace colinux {

// Failure NoGraft, with the command that builds one.
GraftObject find_graft(const std::string& release);

struct KernelCheck {
    std::string release, banner;
    std::string graft_path;
    bool multi_cpu_ok; // false: one vCPU only
    std::uint64_t contiguous_bytes; // run that kernel and graft need, without initrd
};
// Does everything that a start does to a kernel, in memory of its own. Failure = it cannot be started, and why.
KernelCheck check_kernel(const std::string& path);

} // namespace colinux
