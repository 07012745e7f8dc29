// SPDX-License-Identifier: GPL-2.0
#include "control/guest_memory.hpp"

#include <algorithm>
#include <numeric>

namespace colinux {

GuestMemory::GuestMemory(std::vector<Range> ranges) : ranges_{std::move(ranges)}
{
    std::ranges::sort(ranges_, {}, &Range::phys);
}

std::byte* GuestMemory::translate(std::uint64_t phys, std::uint64_t bytes) const noexcept
{
    auto next = std::ranges::upper_bound(ranges_, phys, {}, &Range::phys);
    if (bytes == 0 || next == ranges_.begin())
        return nullptr;
    const Range& range = *std::prev(next);
    std::uint64_t offset = phys - range.phys;
    if (offset >= range.bytes || bytes > range.bytes - offset)
        return nullptr;
    return range.host + offset;
}

std::uint64_t GuestMemory::total_bytes() const
{
    return std::accumulate(ranges_.begin(), ranges_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Range& range) { return sum + range.bytes; });
}

} // namespace colinux
