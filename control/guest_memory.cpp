// SPDX-License-Identifier: GPL-2.0
#include "control/guest_memory.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>

namespace colinux {

namespace {

constexpr std::uint64_t kBlock = 2 << 20;
constexpr unsigned kBits = 64;

} // namespace

// A bit for each 2 MiB from the first run's to the last one's: a few KiB, whatever lies between them.
struct GuestMemory::Absence {
    explicit Absence(std::uint64_t first, std::uint64_t end) : first_block{first / kBlock}, words((end / kBlock - first_block) / kBits + 1) {}

    std::atomic<std::uint64_t>& word(std::uint64_t block) { return words[(block - first_block) / kBits]; }
    static std::uint64_t bit(std::uint64_t block, std::uint64_t first_block) { return std::uint64_t{1} << (block - first_block) % kBits; }
    bool has(std::uint64_t block) { return word(block).load() & bit(block, first_block); }

    std::uint64_t first_block;
    std::vector<std::atomic<std::uint64_t>> words;
    std::atomic<std::uint64_t> bytes{0};
};

GuestMemory::GuestMemory(std::vector<Range> ranges) : ranges_{std::move(ranges)}
{
    std::ranges::sort(ranges_, {}, &Range::phys);
    if (!ranges_.empty())
        absence_ = std::make_shared<Absence>(ranges_.front().phys, ranges_.back().phys + ranges_.back().bytes);
}

bool GuestMemory::withdraw(std::uint64_t phys, std::uint64_t bytes)
{
    if (bytes != kBlock || phys % kBlock != 0 || !range_around(phys, bytes) || absence_->has(phys / kBlock))
        return false;
    absence_->word(phys / kBlock).fetch_or(Absence::bit(phys / kBlock, absence_->first_block));
    absence_->bytes += bytes;
    return true;
}

void GuestMemory::restore(std::uint64_t phys, std::uint64_t bytes)
{
    absence_->bytes -= bytes;
    absence_->word(phys / kBlock).fetch_and(~Absence::bit(phys / kBlock, absence_->first_block));
}

std::uint64_t GuestMemory::present_bytes() const { return total_bytes() - (absence_ ? absence_->bytes.load() : 0); }

const GuestMemory::Range* GuestMemory::range_around(std::uint64_t phys, std::uint64_t bytes) const noexcept
{
    auto next = std::ranges::upper_bound(ranges_, phys, {}, &Range::phys);
    if (bytes == 0 || next == ranges_.begin())
        return nullptr;
    const Range& range = *std::prev(next);
    std::uint64_t offset = phys - range.phys;
    if (offset >= range.bytes || bytes > range.bytes - offset)
        return nullptr;
    return &range;
}

std::byte* GuestMemory::translate(std::uint64_t phys, std::uint64_t bytes) const noexcept
{
    const Range* range = range_around(phys, bytes);
    if (!range)
        return nullptr;
    if (absence_->bytes.load(std::memory_order_acquire) != 0) {
        for (std::uint64_t block = phys / kBlock; block <= (phys + bytes - 1) / kBlock; ++block) {
            if (absence_->has(block))
                return nullptr;
        }
    }
    return range->host + (phys - range->phys);
}

std::uint64_t GuestMemory::total_bytes() const
{
    return std::accumulate(ranges_.begin(), ranges_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const Range& range) { return sum + range.bytes; });
}

} // namespace colinux
