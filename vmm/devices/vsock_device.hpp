// SPDX-License-Identifier: GPL-2.0
// VsockDevice: stream sockets between the host and the guest, carried by virtio-vsock (virtio 1.2, section 5.10). The host connects
// to the guest's ports: that is how `colinux exec` reaches the agent. Whatever the guest wants to connect to on the host is
// reset. A guest cannot make the daemon grow: a connection keeps 64 KiB for its client, and resets that nobody takes are dropped.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/devices/vsock_stream.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <vector>

namespace colinux {

class VsockDevice final : public VirtioDevice {
public:
    static constexpr std::size_t kMaximumStreams = 32;
    static constexpr std::size_t kMaximumResets = 64; // that wait for a buffer of the guest's
    static constexpr std::chrono::seconds kPatience{20}; // with a guest that does not answer

    // `guest`: its name, for messages.
    explicit VsockDevice(std::string guest, std::chrono::milliseconds patience = kPatience) : guest_{std::move(guest)}, patience_{patience} {}

    std::string name() const override { return "vsock"; }
    std::uint32_t type() const override;
    std::uint64_t features() const override { return 0; }
    std::vector<std::uint16_t> queue_sizes() const override { return {128, 128, 16}; }
    std::vector<std::byte> config() const override;

    void attach(EventLoop& loop) override { loop_ = &loop; }
    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned index) override;
    void reset() override;

    // Any thread, while a loop is attached. `client`, a socket that does not block, gets the control socket's answer (`ok`, or NoAgent), then
    // carries the stream.
    void connect(UniqueFd client, std::uint32_t port, std::string early);

private:
    using Streams = std::list<VsockStream>;

    void add(UniqueFd client, std::uint32_t port, std::string early);
    void give_up(std::uint32_t host_port);
    bool transmit();
    void take_packet(DescriptorChain& chain);
    void send_pending();
    void send_pending(VsockStream& stream);
    bool have_buffer();
    std::size_t room() const; // for payload, in the buffer that we have
    void put(virtio_vsock_hdr header, std::span<const std::byte> payload);
    void watch(VsockStream& stream);
    void client_is_ready(std::uint32_t host_port);
    Streams::iterator erase(Streams::iterator stream);
    Failure no_agent() const;

    std::string guest_;
    std::chrono::milliseconds patience_;
    EventLoop* loop_{};
    Virtqueue* receive_{};
    Virtqueue* transmit_{};
    DriverLink* link_{};
    Streams streams_;
    std::deque<virtio_vsock_hdr> resets_; // for connections that are none
    std::uint32_t last_host_port_{1023};
    DescriptorChain chain_;
    DescriptorChain buffer_; // of the guest's, for the next packet
    bool has_buffer_{};      // it is popped
    std::vector<std::byte> packet_;
};

} // namespace colinux
