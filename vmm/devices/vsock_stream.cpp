// SPDX-License-Identifier: GPL-2.0
#include "vmm/devices/vsock_stream.hpp"

#include "control/protocol.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace colinux {

namespace {

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

} // namespace

VsockStream::VsockStream(UniqueFd client, std::uint32_t host_port, std::uint32_t guest_port, std::string early)
    : client_{std::move(client)}, host_port_{host_port}, guest_port_{guest_port}, early_{std::move(early)}
{
}

virtio_vsock_hdr VsockStream::header_of(std::uint16_t operation, std::uint32_t payload, std::uint32_t flags)
{
    virtio_vsock_hdr header{};
    header.src_cid = kVsockHostCid;
    header.dst_cid = kVsockGuestCid;
    header.src_port = host_port_;
    header.dst_port = guest_port_;
    header.len = payload;
    header.type = VIRTIO_VSOCK_TYPE_STREAM;
    header.op = operation;
    header.flags = flags;
    header.buf_alloc = kBuffer;
    header.fwd_cnt = told_ = forwarded_;
    credit_due_ = false;
    return header;
}

void VsockStream::receive(const virtio_vsock_hdr& header, std::span<const std::byte> payload)
{
    if (state_ == State::Closing)
        return; // on its way already
    guest_buffer_ = header.buf_alloc;
    guest_forwarded_ = header.fwd_cnt;
    bool open = state_ == State::Open;
    if (header.op == VIRTIO_VSOCK_OP_RESPONSE && !open && !request_due_) {
        state_ = State::Open;
        answer_ = answer();
    } else if (header.op == VIRTIO_VSOCK_OP_RST) {
        close_client();
    } else if (header.op == VIRTIO_VSOCK_OP_RW && open && !guest_ended_ && payload.size() <= kBuffer - to_client_.size()) {
        received_ += static_cast<std::uint32_t>(payload.size());
        to_client_.append(reinterpret_cast<const char*>(payload.data()), payload.size());
    } else if (header.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST && open) {
        credit_due_ = true;
    } else if (header.op == VIRTIO_VSOCK_OP_SHUTDOWN && open) {
        guest_hears_no_more_ |= (header.flags & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0;
        guest_ended_ |= (header.flags & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
        if (guest_hears_no_more_ && guest_ended_)
            reset(); // which it waits for
    } else if (header.op != VIRTIO_VSOCK_OP_CREDIT_UPDATE || !open) {
        reset();
    }
    flush();
}

void VsockStream::give_up(const Failure& why)
{
    if (state_ == State::Requested)
        answer_ = answer(why);
    close_client();
    flush();
}

void VsockStream::reset()
{
    if (state_ == State::Requested)
        answer_ = answer(Failure{ExitCode::NoAgent, "the guest's socket driver gave no sense"});
    reset_due_ = !request_due_; // else the guest has never heard of it
    close_client();
}

// What the guest has sent already is still for the client.
void VsockStream::close_client()
{
    state_ = State::Closing;
    request_due_ = credit_due_ = shutdown_due_ = false;
    early_.clear();
}

void VsockStream::look_at_client()
{
    pollfd end{client_.get(), 0, 0};
    if (poll(&end, 1, 0) == 1)
        client_gone_ = true;
    flush();
}

void VsockStream::flush()
{
    if (!client_gone_)
        client_gone_ = !flush(answer_, nullptr) || (answer_.empty() && !flush(to_client_, &forwarded_));
    if (client_gone_) {
        answer_.clear();
        to_client_.clear();
        if (state_ != State::Closing)
            reset();
        return;
    }
    if (forwarded_ - told_ >= kBuffer / 2 && state_ == State::Open)
        credit_due_ = true;
    if (guest_ended_ && !client_told_ && answer_.empty() && to_client_.empty()) {
        client_told_ = true;
        shutdown(client_.get(), SHUT_WR);
    }
}

bool VsockStream::flush(std::string& text, std::uint32_t* count)
{
    while (!text.empty()) {
        ssize_t sent = send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return would_block();
        text.erase(0, static_cast<std::size_t>(sent));
        if (count)
            *count += static_cast<std::uint32_t>(sent);
    }
    return true;
}

std::optional<virtio_vsock_hdr> VsockStream::next_control()
{
    if (std::exchange(request_due_, false))
        return header_of(VIRTIO_VSOCK_OP_REQUEST);
    if (std::exchange(reset_due_, false))
        return header_of(VIRTIO_VSOCK_OP_RST);
    if (std::exchange(shutdown_due_, false))
        return header_of(VIRTIO_VSOCK_OP_SHUTDOWN, 0, VIRTIO_VSOCK_SHUTDOWN_SEND);
    if (credit_due_)
        return header_of(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
    return std::nullopt;
}

std::uint32_t VsockStream::credit() const
{
    std::uint32_t on_the_way = sent_ - guest_forwarded_; // both wrap
    return on_the_way < guest_buffer_ ? guest_buffer_ - on_the_way : 0;
}

std::size_t VsockStream::read_client(std::span<std::byte> to)
{
    std::size_t wanted = std::min<std::size_t>(to.size(), credit());
    if (!reads_client() || wanted == 0)
        return 0;
    std::size_t taken = std::min(wanted, early_.size());
    if (taken > 0) {
        std::ranges::copy(std::as_bytes(std::span{early_}.first(taken)), to.begin());
        early_.erase(0, taken);
    } else {
        ssize_t count = recv(client_.get(), to.data(), wanted, MSG_DONTWAIT);
        if (count < 0 && would_block())
            return 0;
        if (count <= 0) {
            client_ended_ = shutdown_due_ = true;
            return 0;
        }
        taken = static_cast<std::size_t>(count);
    }
    sent_ += static_cast<std::uint32_t>(taken);
    return taken;
}

short VsockStream::wanted_events() const
{
    if (client_gone_)
        return kNothing;
    return static_cast<short>((reads_client() ? POLLIN : 0) | (answer_.empty() && to_client_.empty() ? 0 : POLLOUT));
}

} // namespace colinux
