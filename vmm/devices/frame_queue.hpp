// SPDX-License-Identifier: GPL-2.0
// FrameQueue: Ethernet frames on their way to the guest. Bounded: what comes while it is full is
// dropped, as on any wire.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

namespace colinux {

class FrameQueue {
public:
    static constexpr std::size_t kMaxBytes = 4 << 20;

    bool empty() const { return frames_.empty(); }

    void push(std::span<const std::byte> frame)
    {
        if (bytes_ + frame.size() > kMaxBytes)
            return;
        frames_.emplace_back(frame.begin(), frame.end());
        bytes_ += frame.size();
    }

    // Only when not empty(); valid until pop().
    std::span<const std::byte> front() const { return frames_.front(); }

    void pop()
    {
        bytes_ -= frames_.front().size();
        frames_.pop_front();
    }

    void clear()
    {
        frames_.clear();
        bytes_ = 0;
    }

private:
    std::deque<std::vector<std::byte>> frames_;
    std::size_t bytes_{};
};

} // namespace colinux
