// SPDX-License-Identifier: GPL-2.0
// TapBackend: a network interface of the host (tun(4), a "tap") at the other end of the cable: the guest is a machine on the
// host's network, by whatever addresses, routes or bridge the host's owner gives that interface. Checksums and the cutting of
// TCP segments go through as they are, so both kernels handle a stream in pieces of 64 KiB; and only the host's kernel copies them,
// out of the guest's memory and into it.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/devices/net_backend.hpp"

#include <optional>
#include <string>
#include <vector>

namespace colinux {

class TapBackend final : public NetBackend {
public:
    // Uses the interface of that name, or makes one that goes with this object. Brings it up. Failure: NetworkUnfit.
    explicit TapBackend(const std::string& name);

    std::uint16_t mtu() const override { return mtu_; }
    std::uint64_t features() const override;
    void accept(std::uint64_t features) override;
    void attach(EventLoop& loop, std::function<void()> arrived) override;
    void send(const VirtioNetHdr& header, std::span<const std::byte> frame) override;
    bool send_from(const VirtioNetHdr& header, std::span<const GuestBuffer> frame) override;
    bool keeps_frames() const override { return true; }
    std::optional<std::size_t> receive_into(VirtioNetHdr& header, std::span<const iovec> to) override;

private:
    UniqueFd tap_;
    std::uint16_t mtu_{};
    EventLoop* loop_{};
    std::vector<iovec> pieces_; // of one frame
};

} // namespace colinux
