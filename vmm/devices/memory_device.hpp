// SPDX-License-Identifier: GPL-2.0
// MemoryDevice: the daemon's side of the transport's memory device (include/colinux/transport.h): tells the guest which size it should
// have, and passes each block that it gives up or takes back on to the driver.
#pragma once

#include "vmm/virtio/virtio_device.hpp"

#include <mutex>

namespace colinux {

// Who has the guest's blocks. On the device's thread, while the guest may run.
class BlockOwner {
public:
    virtual ~BlockOwner() = default;
    virtual int give_up_block(std::uint64_t phys) = 0; // 0 or an errno
    virtual int take_back_block(std::uint64_t phys) = 0;
    virtual std::uint64_t present_bytes() const = 0;   // any thread
};

class MemoryDevice final : public VirtioDevice {
public:
    struct State {
        std::uint64_t wanted_bytes, present_bytes;
        bool ready;   // there is a driver in the guest
        bool settled; // it does no more for what is wanted now
    };

    // Before each boot, with all memory present.
    void begin(BlockOwner& owner);
    void want(std::uint64_t bytes); // any thread, after begin()
    State state() const;            // likewise

    std::string name() const override { return "memory"; }
    std::uint32_t type() const override;
    std::uint64_t features() const override { return 0; }
    std::vector<std::uint16_t> queue_sizes() const override { return {}; }
    std::vector<std::byte> config() const override;
    void attach(EventLoop& loop) override;

    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned) override { return false; }
    int request(std::uint64_t operation, std::uint64_t argument) override;
    void reset() override;

private:
    EventLoop* loop_{};
    mutable std::mutex mutex_; // guards the rest
    BlockOwner* owner_{};
    DriverLink* link_{};
    std::uint64_t wanted_bytes_{}, request_{}, settled_request_{};
};

} // namespace colinux
