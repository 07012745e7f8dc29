// SPDX-License-Identifier: GPL-2.0
// SlirpBackend: a user-mode network (libslirp) for one guest: DHCP, DNS, NAT, port forwards, without
// privileges or set-up on the host. In the subnet (10.0.2.0/24) the guest is .15, its router .2, DNS .3; IPv6 is fec0::/64, router
// fec0::2. The host's own loopback addresses are out of reach, whatever a guest writes into its packets, unless asked for: then
// the router's address is the host's 127.0.0.1. Forwards listen on the host's loopback address unless they name another.
//
// No wire limits a packet between the guest and libslirp, which ends every TCP connection here and opens its own: the
// MTU is the largest that libslirp takes, so that a stream costs one packet per 64 KiB.
#pragma once

#include "control/config.hpp"
#include "vmm/devices/dns_relay.hpp"
#include "vmm/devices/net_backend.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

struct Slirp;

namespace colinux {

class SlirpBackend final : public NetBackend, private PollSource {
public:
    // Failure: PortTaken names the forward, NetworkUnfit.
    explicit SlirpBackend(const NetConfig& net);
    ~SlirpBackend() override;

    std::uint16_t mtu() const override { return kMtu; }
    void attach(EventLoop& loop, std::function<void()> arrived) override;
    void send(const VirtioNetHdr&, std::span<const std::byte> frame) override;

    static constexpr std::uint16_t kMtu = 65520; // IF_MTU_MAX of libslirp is 65521

private:
    struct Timer {
        void (*fire)(void*);
        void* opaque;
        std::int64_t due_ms; // -1: not set
    };
    struct Callbacks; // what libslirp calls: static functions with access to this class

    void add_forward(const PortForward& forward);
    void prepare(std::vector<pollfd>& descriptors, int& timeout_ms) override;
    void dispatch(std::span<const pollfd> descriptors) override;
    void fire_timers();
    void look_for_shortage();
    bool holds_back(int fd) const;

    struct Closer {
        void operator()(Slirp* slirp) const;
    };

    Subnet subnet_;
    bool host_loopback_;
    DnsRelay dns_;
    std::size_t dns_descriptors_{};          // of the last prepare(), behind libslirp's
    std::list<Timer> timers_;
    unsigned long descriptor_limit_;
    std::int64_t rests_until_ms_{}; // what listens, for want of descriptors
    std::function<void()> arrived_;
    std::vector<pollfd>* wanted_{};          // during prepare()
    std::size_t first_{};                    // index in it of our first descriptor
    std::span<const pollfd> ready_;          // during dispatch()
    std::unique_ptr<Slirp, Closer> slirp_;   // last: its end calls back
};

} // namespace colinux
