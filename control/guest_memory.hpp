// SPDX-License-Identifier: GPL-2.0
// GuestMemory: the daemon's checked view of guest RAM. The driver hands out physically contiguous
// runs; the daemon maps each one. Every guest-physical address that reaches the daemon, from a ring, a
// register page or a kernel image, goes through translate() and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace colinux {

class GuestMemory {
public:
    struct Range {
        std::uint64_t phys;  // guest-physical = machine-physical start, bytes
        std::uint64_t bytes;
        std::byte* host;     // where the daemon sees it; owned by whoever mapped it
    };

    GuestMemory() = default;
    // `ranges` must not overlap; they are sorted here.
    explicit GuestMemory(std::vector<Range> ranges);

    // Pointer to `bytes` bytes at guest-physical `phys`, or nullptr when any of them is not guest RAM or
    // the range crosses from one run into another. bytes == 0 is nullptr. Never throws.
    std::byte* translate(std::uint64_t phys, std::uint64_t bytes) const noexcept;

    const std::vector<Range>& ranges() const { return ranges_; }
    std::uint64_t total_bytes() const;

private:
    std::vector<Range> ranges_; // ascending by phys
};

} // namespace colinux
