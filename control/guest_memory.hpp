// SPDX-License-Identifier: GPL-2.0
// GuestMemory: the daemon's checked view of guest RAM. The driver hands out physically contiguous
// runs; the daemon maps each one. Every guest-physical address that reaches the daemon, from a ring, a
// register page or a kernel image, goes through translate() and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

    // Pointer to `bytes` bytes at guest-physical `phys`, or nullptr when any of them is not guest RAM (any more) or
    // the range crosses from one run into another. bytes == 0 is nullptr. Never throws.
    std::byte* translate(std::uint64_t phys, std::uint64_t bytes) const noexcept;

    // A block that the guest gave up, aligned to its size (2 MiB): from now on translate() knows none of it, until restore(). Also of copies of
    // this object. One caller at a time, while any threads translate. False: it is not, or not all, in one run, or gone already.
    bool withdraw(std::uint64_t phys, std::uint64_t bytes);
    void restore(std::uint64_t phys, std::uint64_t bytes);

    const std::vector<Range>& ranges() const { return ranges_; } // as they were at first
    std::uint64_t total_bytes() const;
    std::uint64_t present_bytes() const; // less what is withdrawn

private:
    struct Absence; // which blocks are withdrawn

    const Range* range_around(std::uint64_t phys, std::uint64_t bytes) const noexcept;

    std::vector<Range> ranges_; // ascending by phys
    std::shared_ptr<Absence> absence_;
};

} // namespace colinux
