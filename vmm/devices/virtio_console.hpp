// SPDX-License-Identifier: GPL-2.0
// VirtioConsole: an additional console of the guest (/dev/hvcN), carried by virtio-console with one port
// and resize (virtio 1.2, section 5.3). The primary console is the ring of the graft, see ConsoleRing.
// As a ConsoleEndpoint it is called on the hub's thread, as a VirtioDevice on its own: input and size
// cross under a lock.
#pragma once

#include "vmm/devices/console_endpoint.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <mutex>
#include <string>

namespace colinux {

class VirtioConsole final : public VirtioDevice, public ConsoleEndpoint {
public:
    // `output` gets what the guest prints, on the device's thread; connect() replaces it.
    explicit VirtioConsole(ConsoleOutput output = {}) : output_{std::move(output)} {}

    std::string name() const override { return "cocon0"; }
    std::uint32_t type() const override;
    std::uint64_t features() const override;
    std::vector<std::uint16_t> queue_sizes() const override { return {64, 64}; }
    std::vector<std::byte> config() const override;

    void attach(EventLoop& loop) override { loop_ = &loop; }
    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned index) override;
    void reset() override;

    void connect(EventLoop& hub_loop, ConsoleOutput output) override;
    std::size_t write_input(std::string_view typed) override;
    void resize(std::uint16_t rows, std::uint16_t columns) override;

private:
    void deliver_input();
    bool transmit();

    ConsoleOutput output_;
    EventLoop* loop_{};
    Virtqueue* receive_{};
    Virtqueue* transmit_{};
    DriverLink* link_{}; // while active
    DescriptorChain chain_;
    mutable std::mutex mutex_; // guards what follows
    std::string input_;
    std::uint16_t rows_{24};
    std::uint16_t columns_{80};
};

} // namespace colinux
