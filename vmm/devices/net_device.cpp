// SPDX-License-Identifier: GPL-2.0
// NetDevice: frames between the rings and the backend.
#include "vmm/devices/net_device.hpp"

#include "vmm/devices/net_layout.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_ids.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::size_t kFrameHeader = 18; // Ethernet header and one VLAN tag
constexpr std::size_t kMaxPacket = 65535; // of IP: the most that is handed over in one piece to be cut
constexpr std::size_t kMaxFrame = kMaxPacket + kFrameHeader;
constexpr std::size_t kSmallFrame = 1514;
constexpr unsigned kFramesPerRound = 64; // the guest's own have their turn, too

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
    loop_ = &loop;
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
    buffers_.resize(receive_ ? receive_->size() : 0);
    first_buffer_ = collected_ = 0;
    collected_bytes_ = 0;
    expected_ = kSmallFrame;
    discard();
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
    // An answer, or what waited for buffers: one interrupt for both queues. Of what the other end keeps it tells itself.
    if (!backend_->received().empty())
        take_frames();
    notify();
    return more;
}

bool NetDevice::transmit()
{
    bool more = transmit_->drain(chain_, [this](DescriptorChain& chain) {
        VirtioNetHdr header;
        if (chain.read(bytes_of(header)) != sizeof header)
            throw RingError{"network frame without header"};
        std::uint64_t bytes = chain.readable_bytes();
        bool to_be_cut = segments_cut_ && header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
        // else dropped: the card's MTU is known to the driver
        if (bytes <= (to_be_cut ? kMaxPacket : backend_->mtu()) + kFrameHeader && !backend_->send_from(header, chain.readable)) {
            frame_.resize(bytes); // copied before it is looked at: the guest may still write to it
            chain.read(frame_);
            backend_->send(header, frame_);
        }
        transmit_->push_used(chain.head, 0);
    });
    return more;
}

void NetDevice::deliver()
{
    take_frames();
    notify();
}

void NetDevice::take_frames()
{
    if (!receive_)
        return discard(); // nobody listens yet
    if (deliver_received() && backend_->keeps_frames())
        deliver_kept();
}

void NetDevice::notify()
{
    bool sent = transmit_ && transmit_->wants_interrupt();
    bool received = receive_ && receive_->wants_interrupt();
    if (sent || received)
        link_->used_buffers();
}

// False: some must wait for buffers, the doorbell is expected.
bool NetDevice::deliver_received()
{
    FrameQueue& frames = backend_->received();
    while (!frames.empty() && collect_buffers(sizeof(VirtioNetHdr) + frames.front().size())) {
        deliver_one(frames.front_header(), frames.front());
        frames.pop();
    }
    return frames.empty();
}

void NetDevice::deliver_kept()
{
    for (unsigned i = 0; i < kFramesPerRound; i++)
        if (!receive_one() || !deliver_received())
            return;
    loop_->post([this] { deliver(); });
}

// Straight into the guest's buffers; behind them lies memory of ours, for what they have no room for. False: no frame is there.
bool NetDevice::receive_one()
{
    collect_buffers(sizeof(VirtioNetHdr) + expected_);
    list_pieces();
    frame_.resize(kMaxFrame);
    pieces_.push_back({frame_.data(), frame_.size()});
    VirtioNetHdr header{};
    std::optional<std::size_t> bytes = backend_->receive_into(header, pieces_);
    if (!bytes)
        return false;
    expected_ = *bytes > kSmallFrame ? kMaxFrame : kSmallFrame;
    if (collected_bytes_ >= sizeof header + *bytes)
        return_buffers(header, *bytes, {});
    else
        keep_for_more_buffers(header, *bytes);
    return true;
}

// Where a frame goes: the collected buffers without the place of the header.
void NetDevice::list_pieces()
{
    pieces_.clear();
    std::size_t skip = sizeof(VirtioNetHdr);
    for (std::size_t i = 0; i < collected_; i++) {
        for (GuestBuffer piece : buffer(i).writable) {
            std::size_t skipped = std::min(skip, piece.size());
            skip -= skipped;
            if (skipped < piece.size())
                pieces_.push_back({piece.data() + skipped, piece.size() - skipped});
        }
    }
}

void NetDevice::keep_for_more_buffers(const VirtioNetHdr& header, std::size_t bytes)
{
    std::vector<std::byte> whole;
    whole.reserve(bytes);
    for (const iovec& piece : pieces_) {
        auto* from = static_cast<const std::byte*>(piece.iov_base);
        whole.insert(whole.end(), from, from + std::min(piece.iov_len, bytes - whole.size()));
    }
    backend_->received().push(whole, header);
}

// Of frames that wait at the other end.
void NetDevice::discard()
{
    backend_->received().clear();
    if (!backend_->keeps_frames())
        return;
    VirtioNetHdr header;
    for (unsigned i = 0; i < kFramesPerRound; i++)
        if (!backend_->receive_into(header, {}))
            return;
    loop_->post([this] { deliver(); });
}

// Buffers for `bytes`, or all that one frame may have; false: wait, the doorbell is expected. What was popped in vain
// stays for the next time.
bool NetDevice::collect_buffers(std::size_t bytes)
{
    std::size_t most = merges_buffers_ ? receive_->size() : 1;
    while (collected_ < most && collected_bytes_ < bytes) {
        if (!receive_->pop_or_expect_doorbell(buffer(collected_)))
            return false;
        collected_bytes_ += buffer(collected_).writable_bytes();
        collected_++;
    }
    return collected_ > 0;
}

void NetDevice::deliver_one(const VirtioNetHdr& header, std::span<const std::byte> frame)
{
    if (collected_bytes_ >= sizeof header + frame.size())
        return return_buffers(header, frame.size(), frame);
    for (std::size_t i = 0; i < collected_; i++) // it is dropped, the buffers go back empty
        receive_->add_used(buffer(i).head, 0);
    receive_->publish_used();
    collected_ = 0;
    collected_bytes_ = 0;
}

// As many as a frame of `bytes` needs; it lies in them already, or comes from `frame`.
void NetDevice::return_buffers(VirtioNetHdr header, std::uint64_t bytes, std::span<const std::byte> frame)
{
    std::uint64_t left = sizeof header + bytes;
    std::size_t count = 0;
    for (std::uint64_t found = 0; found < left; count++)
        found += buffer(count).writable_bytes();
    header.num_buffers = static_cast<std::uint16_t>(count);
    if (!checksums_known_)
        header.flags = 0;
    std::span<const std::byte> head = bytes_of(header);
    for (std::size_t i = 0; i < count; i++) {
        DescriptorChain& chain = buffer(i);
        std::uint64_t room = chain.writable_bytes(), part = std::min(left, room);
        head = head.subspan(chain.write(head));
        frame = frame.subspan(chain.write(frame));
        receive_->add_used(chain.head, static_cast<std::uint32_t>(part));
        left -= part;
        collected_bytes_ -= room;
    }
    receive_->publish_used();
    first_buffer_ = (first_buffer_ + count) % buffers_.size();
    collected_ -= count;
}

} // namespace colinux
