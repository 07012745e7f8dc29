// SPDX-License-Identifier: GPL-2.0
// conet on the real libslirp, through the rings: a DHCP exchange, a TCP connection from the guest to a
// server on the host's loopback, one from the host into the guest by a port forward.
#include "control/descriptors.hpp"
#include "control/failure.hpp"
#include "tests/fakes/descriptor_limit.hpp"
#include "tests/fakes/net_guest.hpp"
#include "tests/fakes/socket_pair.hpp"

#include <gtest/gtest.h>

#include <set>

namespace colinux {
namespace {

using packets::Tcp;

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
    NetGuest guest{{.host_loopback = true}};
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
    NetGuest guest{{.host_loopback = true}};
    guest.find_router();
    guest.send_tcp({packets::kGuest, packets::kGateway, 40000, nobody.number, 1000, 0, packets::kSyn, ""});
    EXPECT_TRUE(guest.receive_tcp().flags & packets::kReset);
}

TEST(Slirp, ForwardedPortReachesTheGuest)
{
    HeldPort port;
    NetGuest guest{{.forwards = {{.udp = false, .host_port = port.number, .guest_port = 22}}}};
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
            SlirpBackend backend{{.forwards = {forward}}};
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
        SlirpBackend first{{.forwards = {{udp, 0, 22}}}};
        EXPECT_THROW((SlirpBackend{{.forwards = {{udp, forwarded_port(udp ? SOCK_DGRAM : SOCK_STREAM), 22}}}}), Failure);
    }
}

TEST(Slirp, PortIsFreeAgainAfterwards)
{
    HeldPort port;
    for (int i = 0; i < 3; i++)
        SlirpBackend backend{{.forwards = {{false, port.number, 22}}}};
}

// Bug: with as many connections as descriptors libslirp took the next one that waited again and again, and had a CPU.
TEST(Slirp, ForwardRestsWhileDescriptorsAreShortAndGoesOn)
{
    HeldPort port;
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 4; i++)
        clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    auto limit = std::make_unique<DescriptorLimit>(60);
    NetGuest guest{{.forwards = {{false, port.number, 22}}}};
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
