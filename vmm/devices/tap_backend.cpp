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
#include <cstring>
#include <limits>

namespace colinux {
namespace {

constexpr std::size_t kMaxFrame = 65535 + 18; // an IP packet to be cut, Ethernet header and one VLAN tag
constexpr unsigned kFramesPerRound = 64;      // the guest's own have their turn, too

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

TapBackend::TapBackend(const std::string& name) : tap_{open_tap(name)}, frame_(kMaxFrame)
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
    arrived_ = std::move(arrived);
    loop.watch(tap_.get(), POLLIN, [this, &loop] { receive(loop); });
}

// What the kernel does not take is lost, as on any wire; it checks the header, too.
void TapBackend::send(const VirtioNetHdr& header, std::span<const std::byte> frame)
{
    VirtioNetHdr copy = header;
    iovec parts[] = {{&copy, sizeof copy}, {const_cast<std::byte*>(frame.data()), frame.size()}};
    [[maybe_unused]] ssize_t written = writev(tap_.get(), parts, 2);
}

void TapBackend::receive(EventLoop& loop)
{
    for (unsigned i = 0; i < kFramesPerRound; i++) {
        VirtioNetHdr header;
        iovec parts[] = {{&header, sizeof header}, {frame_.data(), frame_.size()}};
        ssize_t bytes = readv(tap_.get(), parts, 2);
        if (bytes < 0 && errno != EAGAIN && errno != EINTR)
            loop.unwatch(tap_.get()); // the host's owner has removed the interface: it would be ready, with an error, for ever
        if (bytes < static_cast<ssize_t>(sizeof header))
            break;
        received_.push(std::span{frame_}.first(static_cast<std::size_t>(bytes) - sizeof header), header);
    }
    arrived_();
}

} // namespace colinux
