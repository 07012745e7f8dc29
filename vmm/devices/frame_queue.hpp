// SPDX-License-Identifier: GPL-2.0
// FrameQueue: Ethernet frames on their way to the guest, each with what virtio says of it. Bounded: what comes while it is full is
// dropped, as on any wire.
#pragma once

#include "vmm/devices/net_layout.hpp"

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

namespace colinux {

class FrameQueue {
public:
    static constexpr std::size_t kMaxBytes = 4 << 20;

    bool empty() const { return frames_.empty(); }

    void push(std::span<const std::byte> frame, const VirtioNetHdr& header = {})
    {
        if (bytes_ + frame.size() > kMaxBytes)
            return;
        frames_.push_back({header, {frame.begin(), frame.end()}});
        bytes_ += frame.size();
    }

    // Only when not empty(); valid until pop().
    std::span<const std::byte> front() const { return frames_.front().bytes; }
    const VirtioNetHdr& front_header() const { return frames_.front().header; }

    void pop()
    {
        bytes_ -= frames_.front().bytes.size();
        frames_.pop_front();
    }

    void clear()
    {
        frames_.clear();
        bytes_ = 0;
    }

private:
    struct Frame {
        VirtioNetHdr header;
        std::vector<std::byte> bytes;
    };
    std::deque<Frame> frames_;
    std::size_t bytes_{};
};

} // namespace colinux
