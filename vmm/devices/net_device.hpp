// SPDX-License-Identifier: GPL-2.0
// NetDevice: conet, a network card of the guest, carried by virtio-net (virtio 1.2, section 5.1) with one
// queue pair. A received frame takes as many buffers as it needs where the driver merges them, else one.
#pragma once

#include "vmm/devices/net_backend.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace colinux {

using MacAddress = std::array<std::uint8_t, 6>;

// The same for the same guest name and card on every start; locally administered, unicast.
MacAddress stable_mac_address(std::string_view guest_name, unsigned card);

class NetDevice final : public VirtioDevice {
public:
    // `name`: "conet0".
    NetDevice(std::string name, MacAddress mac, std::unique_ptr<NetBackend> backend);

    std::string name() const override { return name_; }
    std::uint32_t type() const override;
    std::uint64_t features() const override;
    std::vector<std::uint16_t> queue_sizes() const override { return {256, 256}; }
    std::vector<std::byte> config() const override;

    void attach(EventLoop& loop) override;
    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned index) override;
    void reset() override;

private:
    bool transmit();
    void deliver();
    void take_frames();
    void notify();
    bool deliver_received();
    void deliver_kept();
    bool collect_buffers(std::size_t bytes);
    DescriptorChain& buffer(std::size_t i) { return buffers_[(first_buffer_ + i) % buffers_.size()]; }
    void deliver_one(const VirtioNetHdr& header, std::span<const std::byte> frame);
    bool receive_one();
    void list_pieces();
    void keep_for_more_buffers(const VirtioNetHdr& header, std::size_t bytes);
    void discard();
    void return_buffers(VirtioNetHdr header, std::uint64_t bytes, std::span<const std::byte> frame);

    std::string name_;
    MacAddress mac_;
    std::unique_ptr<NetBackend> backend_;
    Virtqueue* receive_{};
    Virtqueue* transmit_{};
    DriverLink* link_{};
    bool checksums_known_{};
    bool merges_buffers_{};
    bool segments_cut_{}; // by the backend
    DescriptorChain chain_;
    std::vector<DescriptorChain> buffers_; // a ring: collected_ of them, from first_buffer_ on, are popped for the next frames to the guest
    std::size_t first_buffer_{};
    std::size_t collected_{};
    std::uint64_t collected_bytes_{};
    std::size_t expected_{};    // bytes for which buffers are collected: large frames come after large ones
    std::vector<iovec> pieces_; // of one frame to the guest
    EventLoop* loop_{};
    std::vector<std::byte> frame_; // one that the guest sends, or the part of one that its buffers had no room for
};

} // namespace colinux
