// SPDX-License-Identifier: GPL-2.0
// NetDevice: frames between the rings and the backend.
#include "vmm/devices/net_device.hpp"

#include "vmm/devices/net_layout.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_ids.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::size_t kFrameHeader = 18; // Ethernet header and one VLAN tag
constexpr std::size_t kMaxPacket = 65535; // of IP: the most that is handed over in one piece to be cut

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

} // namespace

MacAddress stable_mac_address(std::string_view guest_name, unsigned card)
{
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    auto mix = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 0x100000001b3; };
    std::ranges::for_each(guest_name, mix);
    mix(static_cast<std::uint8_t>(card));
    MacAddress mac{0x02};
    for (std::size_t i = 1; i < mac.size(); i++)
        mac[i] = static_cast<std::uint8_t>(hash >> 8 * i);
    return mac;
}

NetDevice::NetDevice(std::string name, MacAddress mac, std::unique_ptr<NetBackend> backend)
    : name_{std::move(name)}, mac_{mac}, backend_{std::move(backend)}
{
}

std::uint32_t NetDevice::type() const { return VIRTIO_ID_NET; }

std::uint64_t NetDevice::features() const
{
    return bit(VIRTIO_NET_F_MAC) | bit(VIRTIO_NET_F_MTU) | bit(VIRTIO_NET_F_STATUS) | bit(VIRTIO_NET_F_GUEST_CSUM) |
           bit(VIRTIO_NET_F_MRG_RXBUF) | backend_->features();
}

std::vector<std::byte> NetDevice::config() const
{
    VirtioNetConfig config{};
    std::ranges::copy(mac_, config.mac);
    config.status = VIRTIO_NET_S_LINK_UP;
    config.max_virtqueue_pairs = 1;
    config.mtu = backend_->mtu();
    auto bytes = bytes_of(config);
    return {bytes.begin(), bytes.end()};
}

void NetDevice::attach(EventLoop& loop)
{
    backend_->attach(loop, [this] { deliver(); });
}

void NetDevice::activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features)
{
    receive_ = queues[0];
    transmit_ = queues[1];
    link_ = &link;
    checksums_known_ = features & bit(VIRTIO_NET_F_GUEST_CSUM);
    merges_buffers_ = features & bit(VIRTIO_NET_F_MRG_RXBUF);
    segments_cut_ = features & (bit(VIRTIO_NET_F_HOST_TSO4) | bit(VIRTIO_NET_F_HOST_TSO6));
    backend_->accept(features & backend_->features());
    collected_ = 0;
    collected_bytes_ = 0;
}

void NetDevice::reset()
{
    receive_ = transmit_ = nullptr;
    backend_->accept(0);
    backend_->received().clear();
}

bool NetDevice::process(unsigned index)
{
    bool more = index == 1 && transmit();
    deliver();
    return more;
}

bool NetDevice::transmit()
{
    bool more = transmit_->drain(chain_, [this](DescriptorChain& chain) {
        VirtioNetHdr header;
        if (chain.read(bytes_of(header)) != sizeof header)
            throw RingError{"network frame without header"};
        // Copied before it is looked at: the guest may still write to it.
        std::uint64_t bytes = chain.readable_bytes();
        bool to_be_cut = segments_cut_ && header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
        if (bytes <= (to_be_cut ? kMaxPacket : backend_->mtu()) + kFrameHeader) { // else dropped: the card's MTU is known to the driver
            frame_.resize(bytes);
            chain.read(frame_);
            backend_->send(header, frame_);
        }
        transmit_->push_used(chain.head, 0);
    });
    notify_driver(*transmit_, *link_);
    return more;
}

void NetDevice::deliver()
{
    FrameQueue& frames = backend_->received();
    if (!receive_)
        return frames.clear(); // nobody listens yet
    while (!frames.empty() && collect_buffers(sizeof(VirtioNetHdr) + frames.front().size())) {
        deliver_one(frames.front_header(), frames.front());
        frames.pop();
    }
    notify_driver(*receive_, *link_);
}

// Buffers for `bytes`, or all that one frame may have; false: wait, the doorbell is expected. What was popped in vain
// stays for the next time.
bool NetDevice::collect_buffers(std::size_t bytes)
{
    std::size_t most = merges_buffers_ ? receive_->size() : 1;
    while (collected_ < most && collected_bytes_ < bytes) {
        if (collected_ == buffers_.size())
            buffers_.emplace_back();
        DescriptorChain& buffer = buffers_[collected_];
        if (!receive_->pop_or_expect_doorbell(buffer))
            return false;
        collected_bytes_ += buffer.writable_bytes();
        collected_++;
    }
    return collected_ > 0;
}

void NetDevice::deliver_one(VirtioNetHdr header, std::span<const std::byte> frame)
{
    header.num_buffers = static_cast<std::uint16_t>(collected_);
    if (!checksums_known_)
        header.flags = 0;
    if (collected_bytes_ < sizeof header + frame.size()) { // it is dropped, the buffers go back empty
        frame = {};
        header.num_buffers = 1;
    }
    bool dropped = frame.empty();
    for (std::size_t i = 0; i < collected_; i++) {
        std::size_t written = i == 0 && !dropped ? buffers_[0].write(bytes_of(header)) : 0;
        std::size_t piece = buffers_[i].write(frame);
        frame = frame.subspan(piece);
        receive_->add_used(buffers_[i].head, static_cast<std::uint32_t>(written + piece));
    }
    receive_->publish_used();
    collected_ = 0;
    collected_bytes_ = 0;
}

} // namespace colinux
