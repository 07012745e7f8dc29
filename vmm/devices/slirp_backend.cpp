// SPDX-License-Identifier: GPL-2.0
// SlirpBackend: libslirp's callbacks. No exception may leave one of them: they only store.
#include "vmm/devices/slirp_backend.hpp"

#include "control/config_text.hpp"
#include "control/descriptors.hpp"
#include "control/failure.hpp"

#include <arpa/inet.h>
#include <slirp/libslirp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <mutex>
#include <string>

namespace colinux {
namespace {

constexpr std::uint32_t kForEver = UINT32_MAX;
constexpr std::uint32_t kRouter = 2, kNameServer = 3, kGuest = 15; // in the subnet

// libslirp takes a descriptor for each connection, and tries again at once when there is none. So what listens rests while
// fewer than kReserve are left, which are the rest of the daemon's. Nobody looks while so many must be: it costs two system calls.
constexpr unsigned long kReserve = 8, kAmple = 256;
constexpr std::int64_t kRestMs = 100;

// libslirp keeps a few things (its clock, the DNS server's address) once per process.
std::mutex slirp_mutex;

std::int64_t now_ns()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::int64_t now_ms() { return now_ns() / 1'000'000; }

in_addr to_network(std::uint32_t address) { return {htonl(address)}; }

in6_addr address6(const char* text)
{
    in6_addr result{};
    inet_pton(AF_INET6, text, &result);
    return result;
}

// What no host on a cable may send to: this host's own addresses (RFC 1122, 3.2.1.3), also in the clothes of IPv6.
bool names_the_host_itself(std::span<const std::byte> frame)
{
    auto byte = [&](std::size_t at) { return at < frame.size() ? std::to_integer<unsigned>(frame[at]) : 0u; };
    unsigned protocol = byte(12) << 8 | byte(13);
    if (protocol == 0x0800)
        return byte(30) == 127 || byte(30) == 0;
    if (protocol != 0x86dd)
        return false;
    for (std::size_t at = 38; at < 38 + 10; at++)
        if (byte(at) != 0)
            return false;
    return true; // ::1, ::, ::ffff:127.0.0.1, ::127.0.0.1
}

struct EventName {
    int slirp;
    short poll;
};
constexpr EventName kEvents[] = {{SLIRP_POLL_IN, POLLIN}, {SLIRP_POLL_OUT, POLLOUT}, {SLIRP_POLL_PRI, POLLPRI},
                                 {SLIRP_POLL_ERR, POLLERR}, {SLIRP_POLL_HUP, POLLHUP}};

} // namespace

struct SlirpBackend::Callbacks {
    static SlirpBackend& self(void* opaque) { return *static_cast<SlirpBackend*>(opaque); }

    static ssize_t send_packet(const void* data, size_t bytes, void* opaque)
    {
        VirtioNetHdr header{};
        header.flags = VIRTIO_NET_HDR_F_DATA_VALID; // it never left this machine
        self(opaque).received_.push({static_cast<const std::byte*>(data), bytes}, header);
        return static_cast<ssize_t>(bytes);
    }
    static void guest_error(const char*, void*) {} // a bad packet of the guest's is dropped, that is enough
    static int64_t clock_get_ns(void*) { return now_ns(); }

    static void* timer_new(SlirpTimerCb fire, void* fire_opaque, void* opaque)
    {
        return &self(opaque).timers_.emplace_back(Timer{fire, fire_opaque, -1});
    }
    static void timer_free(void* timer, void* opaque)
    {
        self(opaque).timers_.remove_if([timer](const Timer& each) { return &each == timer; });
    }
    static void timer_mod(void* timer, int64_t due_ms, void*) { static_cast<Timer*>(timer)->due_ms = due_ms; }

    // Every round asks for all descriptors anew, on the one thread: nothing to register, nobody to wake.
    static void register_poll_fd(int, void*) {}
    static void unregister_poll_fd(int, void*) {}
    static void notify(void*) {}

    static int add_poll(int fd, int events, void* opaque)
    {
        SlirpBackend& backend = self(opaque);
        short wanted = 0;
        for (EventName name : kEvents)
            wanted = static_cast<short>(wanted | (events & name.slirp ? name.poll : 0));
        backend.wanted_->push_back({fd, backend.holds_back(fd) ? short{0} : wanted, 0});
        return static_cast<int>(backend.wanted_->size() - backend.first_ - 1);
    }
    static int get_revents(int index, void* opaque)
    {
        std::span<const pollfd> ready = self(opaque).ready_;
        int events = 0;
        if (static_cast<std::size_t>(index) < ready.size() && self(opaque).holds_back(ready[index].fd))
            return 0;
        for (EventName name : kEvents)
            events |= static_cast<std::size_t>(index) < ready.size() && ready[index].revents & name.poll ? name.slirp : 0;
        return events;
    }

    static constexpr SlirpCb kTable = {
        .send_packet = send_packet,
        .guest_error = guest_error,
        .clock_get_ns = clock_get_ns,
        .timer_new = timer_new,
        .timer_free = timer_free,
        .timer_mod = timer_mod,
        .register_poll_fd = register_poll_fd,
        .unregister_poll_fd = unregister_poll_fd,
        .notify = notify,
        .init_completed = nullptr,
        .timer_new_opaque = nullptr,
    };
};

SlirpBackend::SlirpBackend(const NetConfig& net)
    : subnet_{net.subnet}, host_loopback_{net.host_loopback}, dns_{subnet_.address + kNameServer}
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    descriptor_limit_ = limit.rlim_cur;
    std::vector<std::string> domains = DnsRelay::search_domains();
    std::vector<const char*> search;
    for (const std::string& domain : domains)
        search.push_back(domain.c_str());
    search.push_back(nullptr);
    SlirpConfig config{};
    config.version = 1;
    config.in_enabled = true;
    config.vnetwork = to_network(subnet_.address);
    config.vnetmask = to_network(~std::uint32_t{0} << (32 - subnet_.prefix));
    config.vhost = to_network(subnet_.address + kRouter);
    config.vdhcp_start = to_network(subnet_.address + kGuest);
    config.vnameserver = to_network(subnet_.address + kNameServer);
    config.in6_enabled = true;
    config.vprefix_addr6 = address6("fec0::");
    config.vprefix_len = 64;
    config.vhost6 = address6("fec0::2");
    config.vnameserver6 = address6("fec0::3");
    config.vdnssearch = domains.empty() ? nullptr : search.data();
    config.vdomainname = search.front();
    config.if_mtu = kMtu;
    config.if_mru = kMtu;
    config.disable_host_loopback = !net.host_loopback;
    std::lock_guard lock{slirp_mutex};
    slirp_.reset(slirp_new(&config, &Callbacks::kTable, this));
    if (!slirp_)
        throw Failure{ExitCode::NetworkUnfit, "libslirp cannot make a user-mode network"};
    for (const PortForward& forward : net.forwards)
        add_forward(forward);
}

SlirpBackend::~SlirpBackend() = default;

void SlirpBackend::Closer::operator()(Slirp* slirp) const { slirp_cleanup(slirp); }

void SlirpBackend::add_forward(const PortForward& forward)
{
    in_addr anywhere{}; // = the DHCP address
    errno = 0;
    if (slirp_add_hostfwd(slirp_.get(), forward.udp, to_network(forward.address), forward.host_port, anywhere,
                          forward.guest_port) == 0)
        return;
    int error = errno;
    std::string port = std::string{forward.udp ? "udp" : "tcp"} + " port " + std::to_string(forward.host_port);
    if (error == EADDRNOTAVAIL)
        throw Failure{ExitCode::NetworkUnfit, port + ": the host has no address " + address_text(forward.address) + " (see: ip address)"};
    if (error == EADDRINUSE)
        throw Failure{ExitCode::PortTaken, port + " of the host is taken: forward another one"};
    throw Failure{ExitCode::NetworkUnfit, port + " of the host cannot be forwarded: " + std::strerror(error)};
}

void SlirpBackend::attach(EventLoop& loop, std::function<void()> arrived)
{
    arrived_ = std::move(arrived);
    loop.attach(*this);
}

void SlirpBackend::send(const VirtioNetHdr&, std::span<const std::byte> frame)
{
    if (!host_loopback_ && names_the_host_itself(frame))
        return;
    if (dns_.take(frame))
        return;
    std::lock_guard lock{slirp_mutex};
    slirp_input(slirp_.get(), reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<int>(frame.size()));
}

void SlirpBackend::prepare(std::vector<pollfd>& descriptors, int& timeout_ms)
{
    std::uint32_t timeout = timeout_ms < 0 ? kForEver : static_cast<std::uint32_t>(timeout_ms);
    wanted_ = &descriptors;
    first_ = descriptors.size();
    {
        std::lock_guard lock{slirp_mutex};
        slirp_pollfds_fill(slirp_.get(), &timeout, Callbacks::add_poll, this);
    }
    dns_descriptors_ = dns_.prepare(descriptors, timeout);
    for (const Timer& timer : timers_) {
        if (timer.due_ms >= 0)
            timeout = static_cast<std::uint32_t>(std::min<std::int64_t>(timeout, std::max<std::int64_t>(0, timer.due_ms - now_ms())));
    }
    if (rests_until_ms_)
        timeout = static_cast<std::uint32_t>(std::min<std::int64_t>(timeout, std::max<std::int64_t>(0, rests_until_ms_ - now_ms())));
    timeout_ms = timeout == kForEver ? -1 : static_cast<int>(std::min<std::uint32_t>(timeout, INT_MAX));
}

void SlirpBackend::dispatch(std::span<const pollfd> descriptors)
{
    dns_.dispatch(descriptors.last(dns_descriptors_), [this](std::span<const std::byte> frame) { received_.push(frame); });
    ready_ = descriptors.first(descriptors.size() - dns_descriptors_);
    look_for_shortage();
    {
        std::lock_guard lock{slirp_mutex};
        slirp_pollfds_poll(slirp_.get(), 0, Callbacks::get_revents, this);
        fire_timers();
    }
    if (!received_.empty())
        arrived_();
}

void SlirpBackend::look_for_shortage()
{
    if (rests_until_ms_ > now_ms())
        return;
    bool is_short = ready_.size() + kAmple >= descriptor_limit_ && descriptors_are_short(kReserve);
    rests_until_ms_ = is_short ? now_ms() + kRestMs : 0;
}

bool SlirpBackend::holds_back(int fd) const
{
    int listens = 0;
    socklen_t bytes = sizeof listens;
    return rests_until_ms_ && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 && listens;
}

void SlirpBackend::fire_timers()
{
    std::int64_t now = now_ms();
    for (Timer& timer : timers_) {
        if (timer.due_ms < 0 || timer.due_ms > now)
            continue;
        timer.due_ms = -1;
        timer.fire(timer.opaque);
    }
}

} // namespace colinux
