// SPDX-License-Identifier: GPL-2.0
#include "core/guest_ram.hpp"

#include <colinux/abi.h>
#include <colinux/host_os.h>

namespace colinux {

namespace {

// A block that the host hands out need not lie beside the one before. So that one large run can form, up to this
// share of the wanted memory is taken in addition, for a moment; for a small guest on a host whose memory is in pieces, more.
constexpr std::uint64_t kSurplusShare = 2; // half as much again
constexpr std::uint64_t kLeastSurplus = 512ull << 20;

constexpr std::uint64_t kMostBytes = 1ull << 42; // 4 TiB: the list of blocks stays a size that a kernel heap can serve

} // namespace

GuestRam::~GuestRam() { release_all(); }

// A guest may have a million blocks, and each takes a while: after each, whoever waits for this CPU gets it.
std::uint64_t GuestRam::take(std::uint64_t bytes)
{
    std::uint64_t start = co_os_run_allocate(bytes);
    if (start)
        counter_.add(bytes / kPageSize);
    co_os_yield(false);
    return start;
}

void GuestRam::give_back(const Block& block)
{
    co_os_run_free(block.start, block.bytes);
    counter_.remove(block.bytes / kPageSize);
    co_os_yield(false);
}

void GuestRam::release_all()
{
    while (block_count_ > 0)
        release(blocks_[--block_count_]);
    run_count_.store(0, std::memory_order_relaxed);
    if (substitute_.value) {
        co_os_frame_free(substitute_.value);
        counter_.remove(1);
    }
    if (absent_)
        co_os_heap_free(absent_);
    if (blocks_)
        co_os_heap_free(blocks_);
    if (runs_)
        co_os_heap_free(runs_);
    substitute_ = {};
    absent_ = nullptr;
    blocks_ = nullptr;
    runs_ = nullptr;
}

// What the guest still has of it; what came back is no longer one with the rest
void GuestRam::release(const Block& block)
{
    if (!absent_)
        return give_back(block);
    for (std::uint64_t start = block.start; start < block.end(); start += CO_BLOCK_SIZE) {
        if (!is_absent(offset_of(Phys{start}).value()))
            give_back({start, CO_BLOCK_SIZE});
    }
}

Result<void> GuestRam::allocate(std::uint64_t bytes, std::uint64_t contiguous, Found& found)
{
    found = {};
    if (blocks_)
        return Error::Busy;
    if (bytes == 0 || bytes > kMostBytes || !is_aligned(bytes, CO_BLOCK_SIZE) || contiguous > bytes)
        return Error::InvalidArgument;

    std::uint64_t surplus = bytes / kSurplusShare > kLeastSurplus ? bytes / kSurplusShare : kLeastSurplus;
    block_capacity_ = (bytes + surplus) / CO_BLOCK_SIZE + 1;
    blocks_ = static_cast<Block*>(co_os_heap_allocate(block_capacity_ * sizeof(Block)));
    Result<void> collected = blocks_ ? collect(bytes, contiguous, found) : Error::NoMemory;
    if (collected) {
        release_surplus(bytes, contiguous, found);
        runs_ = static_cast<Run*>(co_os_heap_allocate(block_count_ * sizeof(Run)));
        if (!runs_)
            collected = Error::NoMemory;
    }
    if (!collected) {
        release_all();
        return collected.error();
    }
    join(found);
    return {};
}

Result<void> GuestRam::collect(std::uint64_t bytes, std::uint64_t contiguous, Found& found)
{
    std::uint64_t block = co_os_run_limit();
    while (found.bytes < bytes || found.largest_run < contiguous) {
        if (co_os_interrupted())
            return Error::Interrupted;
        // The last block is no larger than what is missing, but for the surplus
        while (found.bytes < bytes && block > CO_BLOCK_SIZE && block > bytes - found.bytes)
            block /= 2;
        std::uint64_t start = block_count_ < block_capacity_ ? take(block) : 0;
        if (start) {
            insert({start, block}, found);
            progress_.store(found.bytes, std::memory_order_relaxed);
        } else if (block > CO_BLOCK_SIZE && block_count_ < block_capacity_) {
            block /= 2;
        } else {
            return Error::NoMemory;
        }
    }
    return {};
}

// Blocks stay sorted, and `found` true, so that no look at all of them follows each.
void GuestRam::insert(const Block& block, Found& found)
{
    unsigned at = block_count_++;
    for (; at > 0 && blocks_[at - 1].start > block.start; --at)
        blocks_[at] = blocks_[at - 1];
    blocks_[at] = block;
    std::uint64_t run = run_around(at).bytes;
    found.bytes += block.bytes;
    found.largest_run = run > found.largest_run ? run : found.largest_run;
}

GuestRam::Span GuestRam::run_around(unsigned index) const
{
    Span span{index, index + 1, blocks_[index].bytes};
    for (; span.begin > 0 && blocks_[span.begin - 1].end() == blocks_[span.begin].start; --span.begin)
        span.bytes += blocks_[span.begin - 1].bytes;
    for (; span.end < block_count_ && blocks_[span.end].start == blocks_[span.end - 1].end(); ++span.end)
        span.bytes += blocks_[span.end].bytes;
    return span;
}

GuestRam::Span GuestRam::largest_run() const
{
    Span largest{};
    for (Span span{}; span.end < block_count_;) {
        span = run_around(span.end);
        if (span.bytes > largest.bytes)
            largest = span;
    }
    return largest;
}

// Give back what is more than `bytes`, from the ends, and of the largest run no more than leaves `contiguous`.
void GuestRam::release_surplus(std::uint64_t bytes, std::uint64_t contiguous, const Found& found)
{
    Span run = largest_run();
    std::uint64_t surplus = found.bytes - bytes;
    unsigned first = 0;
    auto release = [&](unsigned index) {
        const Block& block = blocks_[index];
        bool in_run = index >= run.begin && index < run.end;
        if (block.bytes > surplus || (in_run && run.bytes - block.bytes < contiguous))
            return false;
        surplus -= block.bytes;
        run.bytes -= in_run ? block.bytes : 0;
        give_back(block);
        return true;
    };
    while (release(block_count_ - 1))
        --block_count_;
    while (release(first))
        ++first;
    block_count_ -= first;
    for (unsigned i = 0; first > 0 && i < block_count_; ++i)
        blocks_[i] = blocks_[i + first];
}

void GuestRam::join(Found& found)
{
    unsigned count = 0;
    found = {};
    for (unsigned i = 0; i < block_count_; ++i) {
        const Block& block = blocks_[i];
        if (count > 0 && runs_[count - 1].start + runs_[count - 1].bytes == Phys{block.start})
            runs_[count - 1].bytes += block.bytes;
        else
            runs_[count++] = {Phys{block.start}, block.bytes, found.bytes};
        found.bytes += block.bytes;
        found.largest_run = runs_[count - 1].bytes > found.largest_run ? runs_[count - 1].bytes : found.largest_run;
    }
    run_count_.store(count, std::memory_order_release);
}

// The last run that begins, in that respect, at `value` or before: runs lie in the same order by either.
template <typename Begin>
const GuestRam::Run* GuestRam::last_run(std::uint64_t value, Begin begin) const
{
    unsigned low = 0;
    for (unsigned high = run_count(); low < high;) {
        unsigned middle = low + (high - low) / 2;
        if (begin(runs_[middle]) <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &runs_[low - 1] : nullptr;
}

bool GuestRam::contains(Phys start, std::uint64_t bytes) const
{
    const Run* run = last_run(start.value, [](const Run& run) { return run.start.value; });
    if (!run || !range_inside(start.value, bytes, run->start.value, run->bytes))
        return false;
    if (absent_bytes_.load(std::memory_order_acquire) == 0)
        return true;
    std::uint64_t first = run->offset + (start.value - run->start.value), end = first + bytes;
    for (std::uint64_t offset = align_down(first, CO_BLOCK_SIZE); offset < end; offset += CO_BLOCK_SIZE) {
        if (is_absent(offset))
            return false;
    }
    return true;
}

Phys GuestRam::frame_at(std::uint64_t offset) const
{
    const Run* run = last_run(offset, [](const Run& run) { return run.offset; });
    if (!run || offset - run->offset >= run->bytes)
        return {};
    if (absent_bytes_.load(std::memory_order_acquire) != 0 && is_absent(offset))
        return substitute_;
    return run->start + align_down(offset - run->offset, kPageSize);
}

std::uint64_t GuestRam::bytes() const
{
    unsigned count = run_count();
    return count > 0 ? runs_[count - 1].offset + runs_[count - 1].bytes : 0;
}

// ---- blocks that come and go --------------------------------------------------------------------------------

Result<std::uint64_t> GuestRam::offset_of(Phys block) const
{
    const Run* run = last_run(block.value, [](const Run& run) { return run.start.value; });
    if (!is_aligned(block.value, CO_BLOCK_SIZE) || !run || !range_inside(block.value, CO_BLOCK_SIZE, run->start.value, run->bytes))
        return Error::InvalidArgument;
    return run->offset + (block.value - run->start.value);
}

bool GuestRam::is_absent(std::uint64_t offset) const
{
    std::uint64_t block = offset / CO_BLOCK_SIZE;
    return absent_[block / 64].load(std::memory_order_acquire) >> block % 64 & 1;
}

// The bit first, then the count that makes others look at it; the other way round when the block comes back.
void GuestRam::set_absent(std::uint64_t offset, bool absent)
{
    std::uint64_t block = offset / CO_BLOCK_SIZE, bit = std::uint64_t{1} << block % 64;
    if (absent) {
        absent_[block / 64].fetch_or(bit);
        absent_bytes_.fetch_add(CO_BLOCK_SIZE);
    } else {
        absent_bytes_.fetch_sub(CO_BLOCK_SIZE);
        absent_[block / 64].fetch_and(~bit);
    }
}

Result<void> GuestRam::prepare_absence()
{
    if (!absent_)
        absent_ = static_cast<std::atomic<std::uint64_t>*>(co_os_heap_allocate((bytes() / CO_BLOCK_SIZE + 63) / 64 * sizeof(*absent_)));
    if (absent_ && !substitute_.value) {
        substitute_ = Phys{co_os_frame_allocate()};
        counter_.add(substitute_.value ? 1 : 0);
    }
    return absent_ && substitute_.value ? Result<void>{} : Error::NoMemory;
}

Result<std::uint64_t> GuestRam::withdraw(Phys block)
{
    std::uint64_t offset = TRY(offset_of(block));
    TRY(prepare_absence());
    if (is_absent(offset))
        return Error::Exists;
    set_absent(offset, true);
    return offset;
}

void GuestRam::free_withdrawn(std::uint64_t offset)
{
    const Run* run = last_run(offset, [](const Run& run) { return run.offset; });
    give_back({(run->start + (offset - run->offset)).value, CO_BLOCK_SIZE});
}

Result<std::uint64_t> GuestRam::reclaim(Phys block)
{
    std::uint64_t offset = TRY(offset_of(block));
    if (!absent_ || !is_absent(offset))
        return Error::Exists;
    if (!co_os_block_reclaim(block.value))
        return Error::NoMemory;
    counter_.add(CO_BLOCK_SIZE / kPageSize);
    set_absent(offset, false);
    return offset;
}

} // namespace colinux
