// SPDX-License-Identifier: GPL-2.0
// VsockStream: one connection between a client on the host, a socket, and a port in the guest: virtio 1.2, section 5.10.6.
// Keeps at most kBuffer bytes for a client that is slow (the guest may send no more: credit), and none for the guest: what it
// has no room for stays in the client's socket. Says which packet is to be sent next; VsockDevice has the queues.
#pragma once

#include "control/failure.hpp"
#include "control/unique_fd.hpp"

#include <linux/virtio_vsock.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace colinux {

inline constexpr std::uint64_t kVsockHostCid = 2;
inline constexpr std::uint64_t kVsockGuestCid = 3; // every guest is alone with its host

class VsockStream {
public:
    static constexpr std::uint32_t kBuffer = 64 << 10;

    // `early` came behind the client's request and goes to the guest first.
    VsockStream(UniqueFd client, std::uint32_t host_port, std::uint32_t guest_port, std::string early);

    int fd() const { return client_.get(); }
    std::uint32_t host_port() const { return host_port_; }
    bool is(std::uint32_t host_port, std::uint32_t guest_port) const { return host_port == host_port_ && guest_port == guest_port_; }
    bool is_requested() const { return state_ == State::Requested; }
    bool is_finished() const { return state_ == State::Closing && !reset_due_ && answer_.empty() && to_client_.empty(); }

    // A packet of the guest's, with the payload that belongs to it; no RST while it is requested (give_up()).
    void receive(const virtio_vsock_hdr& header, std::span<const std::byte> payload);
    // The guest does not answer, or goes: a client that still waits is told why.
    void give_up(const Failure& why);
    // The client's socket is ready for something; writes what it takes, notices that it has gone.
    void look_at_client();

    // A packet without payload that is to be sent now.
    std::optional<virtio_vsock_hdr> next_control();
    bool has_control() const { return request_due_ || reset_due_ || shutdown_due_ || credit_due_; }
    // May payload be sent, so much that the guest has room for it?
    std::uint32_t credit() const;
    bool reads_client() const { return state_ == State::Open && !client_ended_ && !guest_hears_no_more_ && credit() > 0; }
    // Some of what the client sent, at most `to` and credit(); 0: nothing now.
    std::size_t read_client(std::span<std::byte> to);
    virtio_vsock_hdr header_of(std::uint16_t operation, std::uint32_t payload = 0, std::uint32_t flags = 0);

    // What to wait for at the client's socket, whose end is noticed anyway; kNothing: not even that.
    short wanted_events() const;
    static constexpr short kNothing = -1;
    short watched_events{kNothing}; // VsockDevice's own note

private:
    enum class State { Requested, Open, Closing };

    void flush();
    bool flush(std::string& text, std::uint32_t* count);
    void reset(); // RST to the guest, and the end
    void close_client();

    UniqueFd client_;
    std::uint32_t host_port_, guest_port_;
    State state_{State::Requested};
    std::string early_;
    std::string answer_;    // to the client's request, before what the guest says
    std::string to_client_; // at most kBuffer
    std::uint32_t guest_buffer_{}, guest_forwarded_{}, sent_{};
    std::uint32_t received_{}, forwarded_{}, told_{}; // forwarded_ as the guest knows it
    bool request_due_{true}, reset_due_{}, credit_due_{}, shutdown_due_{};
    bool client_ended_{};         // it sends no more
    bool client_gone_{};
    bool guest_ended_{};          // likewise the guest
    bool client_told_{};          // of that
    bool guest_hears_no_more_{};
};

} // namespace colinux
