// SPDX-License-Identifier: GPL-2.0
// NetDevice: frames between the rings and the backend.
#include "vmm/devices/net_device.hpp"

#include "vmm/devices/net_layout.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_ids.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::uint16_t kMtu = 1500;
constexpr std::size_t kMaxFrame = kMtu + 18; // Ethernet header and one VLAN tag

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
    return bit(VIRTIO_NET_F_MAC) | bit(VIRTIO_NET_F_MTU) | bit(VIRTIO_NET_F_STATUS) | bit(VIRTIO_NET_F_GUEST_CSUM);
}

std::vector<std::byte> NetDevice::config() const
{
    VirtioNetConfig config{};
    std::ranges::copy(mac_, config.mac);
    config.status = VIRTIO_NET_S_LINK_UP;
    config.max_virtqueue_pairs = 1;
    config.mtu = kMtu;
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
}

void NetDevice::reset()
{
    receive_ = transmit_ = nullptr;
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
        if (bytes <= kMaxFrame) { // else dropped: the card's MTU is known to the driver
            frame_.resize(bytes);
            chain.read(frame_);
            backend_->send(frame_);
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
    VirtioNetHdr header{};
    header.num_buffers = 1;
    header.flags = checksums_known_ ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
    while (!frames.empty() && receive_->pop_or_expect_doorbell(chain_)) {
        std::span<const std::byte> frame = frames.front();
        std::size_t written = 0;
        if (chain_.writable_bytes() >= sizeof header + frame.size()) // else it is dropped, the buffer goes back empty
            written = chain_.write(bytes_of(header)) + chain_.write(frame);
        receive_->push_used(chain_.head, static_cast<std::uint32_t>(written));
        frames.pop();
    }
    notify_driver(*receive_, *link_);
}

} // namespace colinux
