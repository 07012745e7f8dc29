// SPDX-License-Identifier: GPL-2.0
// ForbiddenCode: where a breakpoint would be met again by whoever is to tell of it, until the stack is full: the kernel's entry code, its
// .noinstr.text and .kprobes.text, and what it forbids to kprobes one by one (NOKPROBE_SYMBOL). The kernel keeps that list for
// itself only while it boots, so it is read before it runs.
#pragma once

#include "vmm/inspect/guest_kernel.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace colinux {

class ForbiddenCode {
public:
    explicit ForbiddenCode(const GuestKernel& kernel);
    bool holds(std::uint64_t address) const;

private:
    using Range = std::pair<std::uint64_t, std::uint64_t>; // first, behind the last
    std::vector<Range> ranges_;
};

} // namespace colinux
