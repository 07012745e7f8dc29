// SPDX-License-Identifier: GPL-2.0
// VsockDevice: packets between the rings and the streams.
#include "vmm/devices/vsock_device.hpp"

#include "control/protocol.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_ids.h>
#include <sys/socket.h>

#include <algorithm>

namespace colinux {

namespace {

constexpr std::size_t kLargestPacket = 64 << 10; // Linux sends no larger ones
constexpr unsigned kPacketsInARow = 32;          // of one client, then the next

} // namespace

std::uint32_t VsockDevice::type() const { return VIRTIO_ID_VSOCK; }

std::vector<std::byte> VsockDevice::config() const
{
    virtio_vsock_config config{};
    config.guest_cid = kVsockGuestCid;
    auto bytes = bytes_of(config);
    return {bytes.begin(), bytes.end()};
}

void VsockDevice::activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t)
{
    receive_ = queues[0];
    transmit_ = queues[1]; // the third, of events, has none for a guest that never moves
    link_ = &link;
}

void VsockDevice::reset()
{
    receive_ = transmit_ = nullptr;
    link_ = nullptr;
    has_buffer_ = false;
    resets_.clear();
    while (!streams_.empty()) {
        streams_.front().give_up(no_agent());
        erase(streams_.begin());
    }
}

bool VsockDevice::process(unsigned index)
{
    bool more = index == 1 && transmit();
    send_pending();
    return more;
}

void VsockDevice::connect(UniqueFd client, std::uint32_t port, std::string early)
{
    loop_->post([this, fd = client.release(), port, early = std::move(early)] { add(UniqueFd{fd}, port, early); });
}

void VsockDevice::add(UniqueFd client, std::uint32_t port, std::string early)
{
    auto refuse = [&](const Failure& failure) {
        std::string text = answer(failure);
        send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    };
    if (!receive_ || !transmit_)
        return refuse(no_agent());
    if (streams_.size() >= kMaximumStreams)
        return refuse({ExitCode::ControlSocket, std::to_string(kMaximumStreams) + " connections into guest " + guest_ + " are open: end one"});
    do
        last_host_port_ = std::max(last_host_port_ + 1, 1024u);
    while (std::ranges::find(streams_, last_host_port_, &VsockStream::host_port) != streams_.end());
    streams_.emplace_back(std::move(client), last_host_port_, port, std::move(early));
    loop_->after(patience_, [this, host_port = last_host_port_] { give_up(host_port); });
    send_pending();
}

// Long after: the number may be another's by then, which is not harmed unless it waits, too.
void VsockDevice::give_up(std::uint32_t host_port)
{
    auto stream = std::ranges::find(streams_, host_port, &VsockStream::host_port);
    if (stream == streams_.end() || !stream->is_requested())
        return;
    stream->give_up(no_agent());
    send_pending();
}

Failure VsockDevice::no_agent() const
{
    return {ExitCode::NoAgent, "guest " + guest_ + " has no agent that answers: it is still booting, or nobody has put colinux-agent into its image "
                                                   "(`colinux image create` does; docs/agent.md)"};
}

bool VsockDevice::transmit()
{
    bool more = transmit_->drain(chain_, [this](DescriptorChain& chain) {
        take_packet(chain);
        transmit_->push_used(chain.head, 0);
    });
    notify_driver(*transmit_, *link_);
    return more;
}

void VsockDevice::take_packet(DescriptorChain& chain)
{
    virtio_vsock_hdr header;
    if (chain.read(bytes_of(header)) != sizeof header)
        throw RingError{"socket packet without header"};
    if (header.len > kLargestPacket || header.len > chain.readable_bytes())
        throw RingError{"socket packet is shorter than it says, or larger than allowed"};
    if (header.src_cid != kVsockGuestCid || header.dst_cid != kVsockHostCid)
        return; // there is nobody else
    packet_.resize(header.len);
    chain.read(packet_);
    auto stream = std::ranges::find_if(streams_, [&](const VsockStream& one) { return one.is(header.dst_port, header.src_port); });
    if (stream != streams_.end() && header.type == VIRTIO_VSOCK_TYPE_STREAM) {
        if (header.op == VIRTIO_VSOCK_OP_RST && stream->is_requested())
            stream->give_up(no_agent());
        else
            stream->receive(header, packet_);
    } else if (header.op != VIRTIO_VSOCK_OP_RST && resets_.size() < kMaximumResets) {
        virtio_vsock_hdr reset{};
        reset.src_cid = kVsockHostCid;
        reset.dst_cid = kVsockGuestCid;
        reset.src_port = header.dst_port;
        reset.dst_port = header.src_port;
        reset.type = header.type;
        reset.op = VIRTIO_VSOCK_OP_RST;
        resets_.push_back(reset);
    }
}

void VsockDevice::send_pending()
{
    if (!receive_)
        return;
    for (; !resets_.empty() && have_buffer(); resets_.pop_front())
        put(resets_.front(), {});
    for (auto stream = streams_.begin(); stream != streams_.end();) {
        send_pending(*stream);
        if (stream->is_finished()) {
            stream = erase(stream);
        } else {
            watch(*stream);
            stream++;
        }
    }
    notify_driver(*receive_, *link_);
}

void VsockDevice::send_pending(VsockStream& stream)
{
    std::byte bytes[4096];
    for (unsigned packets = 0; packets < kPacketsInARow && have_buffer(); packets++) {
        if (std::optional<virtio_vsock_hdr> header = stream.next_control()) {
            put(*header, {});
            continue;
        }
        std::size_t count = stream.read_client(std::span{bytes}.first(std::min(sizeof bytes, room())));
        if (count > 0)
            put(stream.header_of(VIRTIO_VSOCK_OP_RW, static_cast<std::uint32_t>(count)), std::span{bytes}.first(count));
        else if (!stream.has_control())
            return;
    }
}

bool VsockDevice::have_buffer()
{
    has_buffer_ = has_buffer_ || receive_->pop_or_expect_doorbell(buffer_);
    if (has_buffer_ && buffer_.writable_bytes() <= sizeof(virtio_vsock_hdr))
        throw RingError{"buffer for socket packets has no room for one"};
    return has_buffer_;
}

std::size_t VsockDevice::room() const { return buffer_.writable_bytes() - sizeof(virtio_vsock_hdr); }

void VsockDevice::put(virtio_vsock_hdr header, std::span<const std::byte> payload)
{
    std::size_t written = buffer_.write(bytes_of(header));
    written += buffer_.write(payload);
    receive_->push_used(buffer_.head, static_cast<std::uint32_t>(written));
    has_buffer_ = false;
}

// A client that sends is looked at only while the guest has a buffer: else this thread would spin.
void VsockDevice::watch(VsockStream& stream)
{
    short events = stream.wanted_events();
    if (events != VsockStream::kNothing && !has_buffer_)
        events = static_cast<short>(events & ~POLLIN);
    if (events == stream.watched_events)
        return;
    if (stream.watched_events != VsockStream::kNothing)
        loop_->unwatch(stream.fd());
    if (events != VsockStream::kNothing)
        loop_->watch(stream.fd(), events, [this, host_port = stream.host_port()] { client_is_ready(host_port); });
    stream.watched_events = events;
}

void VsockDevice::client_is_ready(std::uint32_t host_port)
{
    auto stream = std::ranges::find(streams_, host_port, &VsockStream::host_port);
    if (stream != streams_.end())
        stream->look_at_client();
    send_pending();
}

VsockDevice::Streams::iterator VsockDevice::erase(Streams::iterator stream)
{
    if (stream->watched_events != VsockStream::kNothing)
        loop_->unwatch(stream->fd());
    return streams_.erase(stream);
}

} // namespace colinux
