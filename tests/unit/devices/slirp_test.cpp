// SPDX-License-Identifier: GPL-2.0
// conet on the real libslirp, through the rings: a DHCP exchange, a TCP connection from the guest to a
// server on the host's loopback, one from the host into the guest by a port forward.
#include "control/descriptors.hpp"
#include "control/failure.hpp"
#include "tests/fakes/descriptor_limit.hpp"
#include "tests/fakes/fake_transport_driver.hpp"
#include "tests/fakes/packets.hpp"
#include "tests/fakes/socket_pair.hpp"
#include "vmm/devices/net_device.hpp"
#include "vmm/devices/slirp_backend.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

#include <set>

namespace colinux {
namespace {

using packets::Tcp;

constexpr std::uint64_t kFeatures = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_INDIRECT_DESC;
constexpr std::size_t kHeader = 12;

sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

std::uint16_t port_of(int fd)
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

// The port of this process's only socket of `type`: the one that the kernel chose for a forward of port 0.
std::uint16_t forwarded_port(int type)
{
    for (int fd = 0; fd < 1024; fd++) {
        int its_type = 0;
        socklen_t bytes = sizeof its_type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &its_type, &bytes) == 0 && its_type == type && port_of(fd) != 0)
            return port_of(fd);
    }
    ADD_FAILURE() << "nothing is forwarded";
    return 0;
}

// A guest with a network card and no network stack but this.
struct NetGuest {
    explicit NetGuest(const std::vector<PortForward>& forwards = {})
        : driver{guest, std::make_unique<NetDevice>("conet0", stable_mac_address("test", 0),
                                                    std::make_unique<SlirpBackend>(forwards))}
    {
        MacAddress address = stable_mac_address("test", 0);
        mac.assign(address.begin(), address.end());
        EXPECT_TRUE(driver.bring_up(kFeatures));
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
    Tcp receive_tcp()
    {
        Tcp segment{};
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
    void send_tcp(const Tcp& segment) { send(packets::tcp(mac, router_mac, segment)); }
    void find_router()
    {
        send(packets::arp_request(mac, packets::kGuest, packets::kGateway));
        router_mac = packets::sender(receive());
    }

    FakeGuest guest{16 << 20};
    FakeTransportDriver driver;
    std::string mac, router_mac;
    std::map<std::uint16_t, std::uint64_t> buffers;
};

TEST(Slirp, DhcpGivesTheGuestItsAddress)
{
    NetGuest guest;
    std::uint32_t address = 0;
    guest.send(packets::dhcp(guest.mac, 1));
    EXPECT_EQ(packets::dhcp_answer(guest.receive(), address), 2);
    EXPECT_EQ(address, packets::kGuest);
    guest.send(packets::dhcp(guest.mac, 3));
    EXPECT_EQ(packets::dhcp_answer(guest.receive(), address), 5);
    EXPECT_EQ(address, packets::kGuest);
}

TEST(Slirp, GuestReachesAServerOnTheHost)
{
    Listener server;
    NetGuest guest;
    guest.find_router();
    Tcp out{packets::kGuest, packets::kGateway, 40000, server.number, 1000, 0, packets::kSyn, ""};
    guest.send_tcp(out);
    Tcp in = guest.receive_tcp();
    ASSERT_EQ(in.flags, packets::kSyn | packets::kAck);
    ASSERT_EQ(in.acknowledgement, 1001u);
    UniqueFd connection{accept(server.fd.get(), nullptr, nullptr)};
    ASSERT_TRUE(connection);

    out.sequence = 1001;
    out.acknowledgement = in.sequence + 1;
    out.flags = packets::kAck | packets::kPush;
    out.data = "GET / from the guest";
    guest.send_tcp(out);
    char text[64];
    ASSERT_EQ(recv(connection.get(), text, 20, MSG_WAITALL), 20);
    EXPECT_EQ(std::string(text, 20), "GET / from the guest");

    ASSERT_EQ(send(connection.get(), "200 from the host", 17, 0), 17);
    do {
        in = guest.receive_tcp();
    } while (in.flags && in.data.empty());
    EXPECT_EQ(in.data, "200 from the host");
}

TEST(Slirp, RefusedConnectionIsReset)
{
    HeldPort nobody;
    NetGuest guest;
    guest.find_router();
    guest.send_tcp({packets::kGuest, packets::kGateway, 40000, nobody.number, 1000, 0, packets::kSyn, ""});
    EXPECT_TRUE(guest.receive_tcp().flags & packets::kReset);
}

TEST(Slirp, ForwardedPortReachesTheGuest)
{
    HeldPort port;
    NetGuest guest{{{.udp = false, .host_port = port.number, .guest_port = 22}}};
    guest.find_router();
    UniqueFd client{socket(AF_INET, SOCK_STREAM, 0)};
    sockaddr_in address = loopback(port.number);
    ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    Tcp in = guest.receive_tcp();
    EXPECT_EQ(in.flags, packets::kSyn);
    EXPECT_EQ(in.to_port, 22);
    EXPECT_EQ(in.to_address, packets::kGuest);
}

TEST(Slirp, TakenPortIsNamed)
{
    Listener tcp;
    HeldPort udp{SOCK_DGRAM};
    for (PortForward forward : {PortForward{false, tcp.number, 22}, PortForward{true, udp.number, 53}}) {
        try {
            SlirpBackend backend{{forward}};
            ADD_FAILURE() << "the port is taken";
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), ExitCode::PortTaken);
            EXPECT_NE(std::string{failure.what()}.find(std::to_string(forward.host_port)), std::string::npos);
        }
    }
}

TEST(Slirp, TwoGuestsCannotForwardTheSamePort)
{
    for (bool udp : {false, true}) {
        SlirpBackend first{{{udp, 0, 22}}};
        EXPECT_THROW((SlirpBackend{{{udp, forwarded_port(udp ? SOCK_DGRAM : SOCK_STREAM), 22}}}), Failure);
    }
}

TEST(Slirp, PortIsFreeAgainAfterwards)
{
    HeldPort port;
    for (int i = 0; i < 3; i++)
        SlirpBackend backend{{{false, port.number, 22}}};
}

// Bug: with as many connections as descriptors libslirp took the next one that waited again and again, and had a CPU.
TEST(Slirp, ForwardRestsWhileDescriptorsAreShortAndGoesOn)
{
    HeldPort port;
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 4; i++)
        clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    auto limit = std::make_unique<DescriptorLimit>(60);
    NetGuest guest{{{false, port.number, 22}}};
    guest.find_router();
    std::vector<UniqueFd> fill;
    while (!descriptors_are_short(11)) // eight stay the daemon's
        fill.emplace_back(dup(STDERR_FILENO));
    sockaddr_in address = loopback(port.number);
    std::set<std::uint16_t> came;
    auto wait_for = [&](std::size_t count) {
        while (came.size() < count && !testing::Test::HasFailure())
            came.insert(guest.receive_tcp().from_port);
    };
    for (std::size_t i = 0; i < clients.size(); i++) {
        connect(clients[i].get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
        wait_for(std::min<std::size_t>(i + 1, 3));
    }
    EXPECT_LT(busy_share(), 0.2);
    EXPECT_FALSE(descriptors_are_short(7));
    fill.clear();
    wait_for(4);
}

} // namespace
} // namespace colinux
