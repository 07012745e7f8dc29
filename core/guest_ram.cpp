// SPDX-License-Identifier: GPL-2.0
#include "core/guest_ram.hpp"

#include <colinux/abi.h>
#include <colinux/host_os.h>

#include <utility>

namespace colinux {

namespace {

// A block that the host hands out need not lie beside the one before. So that one large run can form, up to this
// share of the wanted memory is taken in addition, for a moment; for a small guest on a host whose memory is in pieces, more.
constexpr std::uint64_t kSurplusShare = 2; // half as much again
constexpr std::uint64_t kLeastSurplus = 512ull << 20;

constexpr std::uint64_t kMostBytes = 1ull << 42; // 4 TiB: the list of blocks stays a size that a kernel heap can serve

template <typename T>
void sift_down(T* items, unsigned root, unsigned count)
{
    for (unsigned child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && items[child].start < items[child + 1].start)
            ++child;
        if (items[root].start >= items[child].start)
            return;
        std::swap(items[root], items[child]);
    }
}

// Heap sort: no recursion, no extra memory, which a kernel stack has not.
template <typename T>
void sort_by_start(T* items, unsigned count)
{
    for (unsigned root = count / 2; root-- > 0;)
        sift_down(items, root, count);
    for (unsigned end = count; end-- > 1;) {
        std::swap(items[0], items[end]);
        sift_down(items, 0, end);
    }
}

} // namespace

GuestRam::~GuestRam() { release_all(); }

void GuestRam::release_all()
{
    for (unsigned i = 0; i < block_count_; ++i) {
        co_os_run_free(blocks_[i].start, blocks_[i].bytes);
        counter_.remove(blocks_[i].bytes / kPageSize);
    }
    block_count_ = run_count_ = 0;
    bytes_ = 0;
    if (blocks_)
        co_os_heap_free(blocks_);
    if (runs_)
        co_os_heap_free(runs_);
    blocks_ = nullptr;
    runs_ = nullptr;
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
        release_surplus(bytes, contiguous);
        runs_ = static_cast<Run*>(co_os_heap_allocate(block_count_ * sizeof(Run)));
        if (!runs_)
            collected = Error::NoMemory;
    }
    if (!collected) {
        release_all();
        return collected.error();
    }
    join();
    measure(found);
    return {};
}

Result<void> GuestRam::collect(std::uint64_t bytes, std::uint64_t contiguous, Found& found)
{
    std::uint64_t block = co_os_run_limit();
    std::uint64_t total = 0;
    while (block_count_ < block_capacity_) {
        if (total >= bytes) {
            measure(found);
            if (found.largest_run >= contiguous)
                return {};
        }
        if (co_os_interrupted()) {
            measure(found);
            return Error::Interrupted;
        }
        // The last block is no larger than what is missing, but for the surplus
        while (total < bytes && block > CO_BLOCK_SIZE && block > bytes - total)
            block /= 2;
        std::uint64_t start = co_os_run_allocate(block);
        if (start == 0 && block > CO_BLOCK_SIZE) {
            block /= 2;
            continue;
        }
        if (start == 0)
            break;
        blocks_[block_count_++] = {start, block};
        counter_.add(block / kPageSize);
        total += block;
        progress_.store(total, std::memory_order_relaxed);
    }
    measure(found);
    return total >= bytes && found.largest_run >= contiguous ? Result<void>{} : Error::NoMemory;
}

// Sorts, and finds the total and the largest run.
void GuestRam::measure(Found& found)
{
    sort_by_start(blocks_, block_count_);
    found = {};
    std::uint64_t run = 0, end = 0;
    for (unsigned i = 0; i < block_count_; ++i) {
        run = blocks_[i].start == end && i > 0 ? run + blocks_[i].bytes : blocks_[i].bytes;
        end = blocks_[i].start + blocks_[i].bytes;
        found.bytes += blocks_[i].bytes;
        if (run > found.largest_run)
            found.largest_run = run;
    }
}

// Give back what is more than `bytes`, from the ends, as long as the large run stays whole.
void GuestRam::release_surplus(std::uint64_t bytes, std::uint64_t contiguous)
{
    std::uint64_t total = 0;
    for (unsigned i = 0; i < block_count_; ++i)
        total += blocks_[i].bytes;
    for (unsigned tried = 0; tried < 2; ++tried) {
        while (block_count_ > 1) {
            unsigned victim = tried == 0 ? block_count_ - 1 : 0;
            Block block = blocks_[victim];
            if (total - block.bytes < bytes)
                break;
            for (unsigned i = victim; i + 1 < block_count_; ++i)
                blocks_[i] = blocks_[i + 1];
            --block_count_;
            Found rest;
            measure(rest);
            if (rest.largest_run < contiguous) { // it was part of the run: put it back
                blocks_[block_count_++] = block;
                measure(rest);
                break;
            }
            co_os_run_free(block.start, block.bytes);
            counter_.remove(block.bytes / kPageSize);
            total -= block.bytes;
        }
    }
    bytes_ = total;
}

void GuestRam::join()
{
    run_count_ = 0;
    std::uint64_t offset = 0;
    for (unsigned i = 0; i < block_count_; ++i) {
        if (run_count_ > 0 && runs_[run_count_ - 1].start + runs_[run_count_ - 1].bytes == Phys{blocks_[i].start})
            runs_[run_count_ - 1].bytes += blocks_[i].bytes;
        else
            runs_[run_count_++] = {Phys{blocks_[i].start}, blocks_[i].bytes, offset};
        offset += blocks_[i].bytes;
    }
}

bool GuestRam::contains(Phys start, std::uint64_t bytes) const
{
    for (unsigned i = 0; i < run_count_; ++i) {
        if (range_inside(start.value, bytes, runs_[i].start.value, runs_[i].bytes))
            return true;
    }
    return false;
}

Phys GuestRam::frame_at(std::uint64_t offset) const
{
    for (unsigned i = 0; i < run_count_; ++i) {
        if (offset >= runs_[i].offset && offset - runs_[i].offset < runs_[i].bytes)
            return runs_[i].start + align_down(offset - runs_[i].offset, kPageSize);
    }
    return Phys{};
}

} // namespace colinux
