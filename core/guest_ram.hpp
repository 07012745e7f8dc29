// SPDX-License-Identifier: GPL-2.0
// GuestRam: the physically contiguous runs of host memory that one guest owns. Allocated once, in the
// largest blocks that the host gives, sorted and joined; every guest-physical address that reaches the
// core is checked against it. The guest may give blocks of CO_BLOCK_SIZE up, and get the same ones back.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "core/frame_counter.hpp"

#include <atomic>

namespace colinux {

class GuestRam {
public:
    struct Run {
        Phys start;
        std::uint64_t bytes;
        std::uint64_t offset; // where it begins in the guest fd's mapping
    };
    struct Found {
        std::uint64_t bytes;
        std::uint64_t largest_run;
    };

    explicit GuestRam(FrameCounter& counter) : counter_{counter} {}
    ~GuestRam();
    GuestRam(const GuestRam&) = delete;
    GuestRam& operator=(const GuestRam&) = delete;

    // Take `bytes` in all (multiple of CO_BLOCK_SIZE), one run of at least `contiguous` among them. `found` is
    // filled in either case. Errors: NoMemory, Interrupted, Busy (done already); then nothing is kept. May sleep.
    Result<void> allocate(std::uint64_t bytes, std::uint64_t contiguous, Found& found);

    // Is all of [start, start + bytes) this guest's, in one run?
    bool contains(Phys start, std::uint64_t bytes) const;
    // The frame at byte `offset` of the mapping; 0 when past the end.
    Phys frame_at(std::uint64_t offset) const;

    // Giving a block up takes two steps, since CPUs of the guest may still believe in it: withdraw(), after which it is not contained
    // any more and frame_at() shows the substitute page; then, when nobody looks at it, free_withdrawn(), or restore() to change one's mind.
    // One caller at a time. Errors: InvalidArgument, Exists, NoMemory; reclaim() as CO_TAKE_BACK_BLOCK. `offset`: in the mapping.
    Result<std::uint64_t> withdraw(Phys block);
    void free_withdrawn(std::uint64_t offset);
    void restore(std::uint64_t offset) { set_absent(offset, false); }
    Result<std::uint64_t> reclaim(Phys block);
    std::uint64_t present_bytes() const { return bytes() - absent_bytes_.load(std::memory_order_relaxed); }

    // The list of runs is made once and never changes: these three, and contains() and frame_at(), need no lock.
    unsigned run_count() const { return run_count_.load(std::memory_order_acquire); }
    const Run& run(unsigned index) const { return runs_[index]; }
    std::uint64_t bytes() const;
    std::uint64_t progress() const { return progress_.load(std::memory_order_relaxed); }

private:
    struct Block {
        std::uint64_t start, bytes;
        std::uint64_t end() const { return start + bytes; }
    };
    struct Span { // blocks that lie back to back
        unsigned begin, end;
        std::uint64_t bytes;
    };

    Result<void> collect(std::uint64_t bytes, std::uint64_t contiguous, Found& found);
    std::uint64_t take(std::uint64_t bytes);
    void give_back(const Block& block);
    void insert(const Block& block, Found& found);
    Span run_around(unsigned index) const;
    Span largest_run() const;
    void release_surplus(std::uint64_t bytes, std::uint64_t contiguous, const Found& found);
    void join(Found& found);
    template <typename Begin>
    const Run* last_run(std::uint64_t value, Begin begin) const;
    Result<std::uint64_t> offset_of(Phys block) const;
    bool is_absent(std::uint64_t offset) const;
    void set_absent(std::uint64_t offset, bool absent);
    Result<void> prepare_absence();
    void release(const Block& block);
    void release_all();

    FrameCounter& counter_;
    Block* blocks_{}; // sorted by start
    unsigned block_count_{}, block_capacity_{};
    Run* runs_{};
    std::atomic<unsigned> run_count_{0}; // set last
    std::atomic<std::uint64_t> progress_{0};
    std::atomic<std::uint64_t>* absent_{}; // one bit per block, by its offset in the mapping; none before the first is given up
    std::atomic<std::uint64_t> absent_bytes_{0};
    Phys substitute_{}; // what mappings show of absent blocks
};

} // namespace colinux
