// SPDX-License-Identifier: GPL-2.0
// A guest with one conet on the real libslirp, for tests that send and see frames; and ports of the host for it to talk to.
#pragma once

#include "control/unique_fd.hpp"
#include "tests/fakes/fake_transport_driver.hpp"
#include "tests/fakes/packets.hpp"
#include "vmm/devices/net_device.hpp"
#include "vmm/devices/slirp_backend.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace colinux {

inline constexpr std::uint64_t kNetGuestFeatures = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_INDIRECT_DESC;


inline sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

inline std::uint16_t port_of(int fd)
{
    sockaddr_in address{};
    socklen_t bytes = sizeof address;
    bool known = getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) == 0 && address.sin_family == AF_INET;
    return known ? ntohs(address.sin_port) : 0;
}

// A port of 127.0.0.1 that the kernel chose. It is this test's as long as this lives: tests that run beside it get others.
// Nobody answers at a TCP port so held, and a forward may listen there: libslirp, too, asks for a port that may be reused.
struct HeldPort {
    explicit HeldPort(int type = SOCK_STREAM) : fd{socket(AF_INET, type, 0)}
    {
        int yes = 1;
        sockaddr_in address = loopback(0);
        setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        number = port_of(fd.get());
    }
    UniqueFd fd;
    std::uint16_t number{};
};

// A server there.
struct Listener : HeldPort {
    Listener() { EXPECT_EQ(listen(fd.get(), 1), 0); }
};

// A guest with a network card and no network stack but this.
struct NetGuest {
    explicit NetGuest(const NetConfig& net = {})
        : driver{guest, std::make_unique<NetDevice>("conet0", stable_mac_address("test", 0),
                                                    std::make_unique<SlirpBackend>(net))}
    {
        MacAddress address = stable_mac_address("test", 0);
        mac.assign(address.begin(), address.end());
        EXPECT_TRUE(driver.bring_up(kNetGuestFeatures));
        for (int i = 0; i < 32; i++)
            give_buffer(guest.allocate(1526));
    }

    void give_buffer(std::uint64_t phys)
    {
        std::uint16_t head = driver.queue(0).add({{phys, 1526, true}});
        buffers[head] = phys;
        driver.ring_doorbell();
    }
    void send(const std::string& frame)
    {
        std::uint64_t phys = guest.allocate_text(std::string(kHeader, '\0') + frame);
        driver.queue(1).add_indirect({{phys, kHeader, false}, {phys + kHeader, static_cast<std::uint32_t>(frame.size()), false}});
        driver.ring_doorbell();
    }
    // The next frame that came; "" when none does.
    std::string receive()
    {
        VirtqUsedElem used;
        driver.queue(0).ask_for_interrupt();
        while (!driver.queue(0).take_used(used)) {
            if (!driver.wait_interrupt())
                return "";
        }
        std::uint64_t phys = buffers.at(static_cast<std::uint16_t>(used.id));
        std::string frame = guest.text_at(phys + kHeader, used.len - kHeader);
        give_buffer(phys);
        return frame;
    }
    // The next TCP segment; answers ARP on the way.
    packets::Tcp receive_tcp()
    {
        packets::Tcp segment{};
        for (std::string frame = receive(); !frame.empty(); frame = receive()) {
            if (packets::parse_tcp(frame, segment)) {
                router_mac = packets::sender(frame);
                return segment;
            }
            if (packets::is_arp_request(frame))
                send(packets::arp_reply(frame, mac));
        }
        ADD_FAILURE() << "no TCP segment came";
        return segment;
    }
    void send_tcp(const packets::Tcp& segment) { send(packets::tcp(mac, router_mac, segment)); }
    // When it returns, all that was sent before has been dealt with. Frames that came meanwhile are gone.
    void find_router()
    {
        send(packets::arp_request(mac, packets::kGuest, packets::kGateway));
        for (std::string frame = receive(); !frame.empty(); frame = receive())
            if (packets::is_arp_reply(frame)) {
                router_mac = packets::sender(frame);
                return;
            }
        ADD_FAILURE() << "no router answers";
    }

    static constexpr std::size_t kHeader = 12;

    FakeGuest guest{16 << 20};
    FakeTransportDriver driver;
    std::string mac, router_mac;
    std::map<std::uint16_t, std::uint64_t> buffers;
};

} // namespace colinux
