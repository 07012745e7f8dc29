// SPDX-License-Identifier: GPL-2.0
#include "vmm/devices/tap_backend.hpp"

#include "control/failure.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <limits>

namespace colinux {
namespace {

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

struct Offload {
    unsigned feature;
    unsigned flag; // of TUNSETOFFLOAD
};
constexpr Offload kOffloads[] = {{VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM}, {VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4}, {VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6}};

[[noreturn]] void refuse(const std::string& name, const std::string& why)
{
    throw Failure{ExitCode::NetworkUnfit, "network interface '" + name + "': " + why};
}

ifreq request_for(const std::string& name)
{
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    return request;
}

UniqueFd open_tap(const std::string& name)
{
    UniqueFd tap{open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (!tap)
        refuse(name, std::string{"/dev/net/tun cannot be opened: "} + std::strerror(errno) + ": try: modprobe tun");
    ifreq request = request_for(name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(tap.get(), TUNSETIFF, &request) != 0) {
        if (errno == EBUSY)
            refuse(name, "another program, perhaps another guest, has it: give this guest its own");
        if (errno == EINVAL)
            refuse(name, "it is there already and no tap device with one queue: give another name");
        refuse(name, std::strerror(errno));
    }
    int header = sizeof(VirtioNetHdr);
    if (ioctl(tap.get(), TUNSETVNETHDRSZ, &header) != 0)
        refuse(name, std::string{"no virtio headers: "} + std::strerror(errno));
    return tap;
}

} // namespace

TapBackend::TapBackend(const std::string& name) : tap_{open_tap(name)}
{
    accept(0);
    UniqueFd any_socket{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq request = request_for(name);
    if (!any_socket || ioctl(any_socket.get(), SIOCGIFMTU, &request) != 0)
        refuse(name, std::string{"its MTU is not told: "} + std::strerror(errno));
    mtu_ = static_cast<std::uint16_t>(std::clamp<int>(request.ifr_mtu, 68, std::numeric_limits<std::uint16_t>::max()));
    request = request_for(name);
    if (ioctl(any_socket.get(), SIOCGIFFLAGS, &request) != 0)
        refuse(name, std::strerror(errno));
    request.ifr_flags |= IFF_UP;
    if (ioctl(any_socket.get(), SIOCSIFFLAGS, &request) != 0)
        refuse(name, std::string{"it does not come up: "} + std::strerror(errno));
}

std::uint64_t TapBackend::features() const
{
    std::uint64_t all = bit(VIRTIO_NET_F_CSUM) | bit(VIRTIO_NET_F_HOST_TSO4) | bit(VIRTIO_NET_F_HOST_TSO6);
    for (const Offload& offload : kOffloads)
        all |= bit(offload.feature);
    return all;
}

void TapBackend::accept(std::uint64_t features)
{
    unsigned flags = 0;
    for (const Offload& offload : kOffloads)
        flags |= features & bit(offload.feature) ? offload.flag : 0;
    if (!(flags & TUN_F_CSUM))
        flags = 0; // segments without checksums make no sense (virtio 1.2, 5.1.3.1)
    ioctl(tap_.get(), TUNSETOFFLOAD, flags); // known to every kernel since 2.6.27
}

void TapBackend::attach(EventLoop& loop, std::function<void()> arrived)
{
    loop_ = &loop;
    loop.watch_arrivals(tap_.get(), std::move(arrived));
}

// What the kernel does not take is lost, as on any wire; it checks the header, too.
void TapBackend::send(const VirtioNetHdr& header, std::span<const std::byte> frame)
{
    GuestBuffer whole{const_cast<std::byte*>(frame.data()), frame.size()};
    send_from(header, {&whole, 1});
}

bool TapBackend::send_from(const VirtioNetHdr& header, std::span<const GuestBuffer> frame)
{
    VirtioNetHdr copy = header;
    pieces_.assign({{&copy, sizeof copy}});
    for (GuestBuffer buffer : frame)
        pieces_.push_back({buffer.data(), buffer.size()});
    [[maybe_unused]] ssize_t written = writev(tap_.get(), pieces_.data(), static_cast<int>(pieces_.size()));
    return true;
}

std::optional<std::size_t> TapBackend::receive_into(VirtioNetHdr& header, std::span<const iovec> to)
{
    pieces_.assign({{&header, sizeof header}});
    pieces_.insert(pieces_.end(), to.begin(), to.end());
    ssize_t bytes;
    do {
        bytes = readv(tap_.get(), pieces_.data(), static_cast<int>(std::min<std::size_t>(pieces_.size(), IOV_MAX)));
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0 && errno != EAGAIN && loop_)
        loop_->unwatch(tap_.get()); // the host's owner has removed the interface
    if (bytes < static_cast<ssize_t>(sizeof header))
        return {};
    return static_cast<std::size_t>(bytes) - sizeof header;
}

} // namespace colinux
