// SPDX-License-Identifier: GPL-2.0
// FrameCounter: how many 4 KiB frames the driver holds, in all and per guest. Every allocation of
// frames in the core is counted here, so that "no frame leaked" is a number that a test can read.
#pragma once

#include <atomic>
#include <cstdint>

namespace colinux {

class FrameCounter {
public:
    explicit constexpr FrameCounter(FrameCounter* parent = nullptr) : parent_{parent} {}

    void add(std::uint64_t frames)
    {
        frames_.fetch_add(frames, std::memory_order_relaxed);
        if (parent_)
            parent_->add(frames);
    }
    void remove(std::uint64_t frames)
    {
        frames_.fetch_sub(frames, std::memory_order_relaxed);
        if (parent_)
            parent_->remove(frames);
    }
    std::uint64_t frames() const { return frames_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> frames_{0};
    FrameCounter* parent_;
};

} // namespace colinux
