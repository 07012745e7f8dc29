// SPDX-License-Identifier: GPL-2.0
// What a guest can reach by its network, and what not: the host's loopback, half-closed connections, echo, IPv6, other subnets.
#include "control/failure.hpp"
#include "tests/fakes/net_guest.hpp"

#include <fcntl.h>

#include <initializer_list>

namespace colinux {
namespace {

using packets::Tcp;

constexpr std::uint32_t kNameServer = 0x0a000203;

bool was_reached(const UniqueFd& listener) { return UniqueFd{accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)}.get() >= 0; }

// A server at ::1; none where there is no IPv6.
struct Listener6 {
    Listener6() : fd{socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0)}
    {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
        socklen_t bytes = sizeof address;
        if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), bytes) != 0 || listen(fd.get(), 1) != 0 ||
            getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
            fd.reset();
        number = ntohs(address.sin6_port);
    }
    UniqueFd fd;
    std::uint16_t number{};
};

TEST(SlirpReach, HostsLoopbackIsOutOfReachWhateverAGuestWrites)
{
    Listener tcp;
    fcntl(tcp.fd.get(), F_SETFL, O_NONBLOCK);
    HeldPort udp{SOCK_DGRAM};
    NetGuest guest;
    guest.find_router();
    std::uint16_t port = 40000;
    for (std::uint32_t to : {packets::kGateway, kNameServer, 0x7f000001u, 0x7f090909u, 0u, 0x0a000263u, 0x0a0002ffu, 0xffffffffu}) {
        guest.send_tcp({packets::kGuest, to, ++port, tcp.number, 1000, 0, packets::kSyn, ""});
        guest.send(packets::udp(guest.mac, guest.router_mac, {packets::kGuest, to, ++port, udp.number, "hello"}));
        guest.find_router();
        char text[8];
        EXPECT_FALSE(was_reached(tcp.fd)) << std::hex << to;
        EXPECT_LT(recv(udp.fd.get(), text, sizeof text, MSG_DONTWAIT), 0) << std::hex << to;
    }
}

TEST(SlirpReach, HostsLoopbackIsTheRouterWhereItIsAskedFor)
{
    Listener tcp;
    HeldPort udp{SOCK_DGRAM};
    NetGuest guest{{.host_loopback = true}};
    guest.find_router();
    guest.send_tcp({packets::kGuest, packets::kGateway, 40001, tcp.number, 1000, 0, packets::kSyn, ""});
    guest.send(packets::udp(guest.mac, guest.router_mac, {packets::kGuest, packets::kGateway, 40002, udp.number, "hello"}));
    guest.find_router();
    char text[8];
    EXPECT_TRUE(was_reached(tcp.fd));
    EXPECT_EQ(recv(udp.fd.get(), text, sizeof text, MSG_DONTWAIT), 5);
}

TEST(SlirpReach, HostsIpv6LoopbackIsOutOfReach)
{
    Listener6 server;
    Listener v4;
    if (!server.fd)
        GTEST_SKIP() << "no IPv6 here";
    fcntl(v4.fd.get(), F_SETFL, O_NONBLOCK);
    for (bool asked : {true, false}) {
        NetGuest guest{{.host_loopback = asked}};
        guest.find_router();
        for (const char* to : {"fec0::2", "::1", "fec0::3", "::ffff:127.0.0.1", "::"})
            for (std::uint16_t port : {server.number, v4.number})
                guest.send(packets::tcp6_syn(guest.mac, guest.router_mac, packets::ip6_address("fec0::1234"), packets::ip6_address(to), port));
        guest.find_router();
        EXPECT_EQ(was_reached(server.fd), asked);
        if (!asked)
            EXPECT_FALSE(was_reached(v4.fd));
        while (was_reached(server.fd) || was_reached(v4.fd)) {
        }
    }
}

TEST(SlirpReach, SubnetCanBeChosen)
{
    NetGuest guest{{.subnet = {0xc0a84000, 20}}}; // 192.168.64.0/20
    std::uint32_t address = 0;
    guest.send(packets::dhcp(guest.mac, 1));
    EXPECT_EQ(packets::dhcp_answer(guest.receive(), address), 2);
    EXPECT_EQ(address, 0xc0a8400fu);
}

TEST(SlirpReach, ForwardListensAtItsAddressOnly)
{
    constexpr std::uint32_t kAddress = 0x7f000002;
    HeldPort port;
    NetGuest guest{{.forwards = {{false, port.number, 22, kAddress}}}};
    sockaddr_in address = loopback(port.number);
    UniqueFd other{socket(AF_INET, SOCK_STREAM, 0)}, client{socket(AF_INET, SOCK_STREAM, 0)};
    EXPECT_NE(connect(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address.sin_addr.s_addr = htonl(kAddress);
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

TEST(SlirpReach, ForwardAtAnAddressThatTheHostHasNotIsNamed)
{
    try {
        SlirpBackend backend{{.forwards = {{false, 8080, 80, 0xcb007101}}}}; // of RFC 5737
        ADD_FAILURE() << "nobody has this address";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::NetworkUnfit);
        EXPECT_NE(std::string{failure.what()}.find("203.0.113.1"), std::string::npos) << failure.what();
    }
}

// A connection from the guest to a server of the host's; both ends in the test's hands.
struct Connected {
    Connected()
    {
        guest.find_router();
        guest.send_tcp(out);
        Tcp in = guest.receive_tcp();
        EXPECT_EQ(in.flags, packets::kSyn | packets::kAck);
        out.sequence = 1001;
        out.acknowledgement = in.sequence + 1;
        say("", packets::kAck);
        server = UniqueFd{accept(listener.fd.get(), nullptr, nullptr)};
    }
    void say(const std::string& text, std::uint8_t flags)
    {
        out.data = text;
        out.flags = flags;
        guest.send_tcp(out);
        out.sequence += static_cast<std::uint32_t>(text.size()) + (flags & packets::kFin ? 1 : 0);
    }
    // What the host says up to its FIN; each segment is acknowledged.
    std::string hear_all()
    {
        std::string text;
        for (;;) {
            Tcp in = guest.receive_tcp();
            if (in.flags == 0 || in.flags & packets::kReset)
                return text + "(no FIN)";
            if (in.sequence != out.acknowledgement)
                continue; // sent again
            text += in.data;
            out.acknowledgement += static_cast<std::uint32_t>(in.data.size()) + (in.flags & packets::kFin ? 1 : 0);
            say("", packets::kAck);
            if (in.flags & packets::kFin)
                return text;
        }
    }
    std::string read_all()
    {
        std::string text;
        char bytes[64];
        for (ssize_t count; (count = recv(server.get(), bytes, sizeof bytes, 0)) > 0;)
            text.append(bytes, static_cast<std::size_t>(count));
        return text;
    }

    Listener listener;
    NetGuest guest{{.host_loopback = true}};
    Tcp out{packets::kGuest, packets::kGateway, 40000, listener.number, 1000, 0, packets::kSyn, ""};
    UniqueFd server;
};

TEST(SlirpReach, GuestThatHasSaidAllStillHears)
{
    Connected both;
    both.say("question", packets::kAck | packets::kPush | packets::kFin);
    EXPECT_EQ(both.read_all(), "question");
    ASSERT_EQ(send(both.server.get(), "answer", 6, 0), 6);
    both.server.reset();
    EXPECT_EQ(both.hear_all(), "answer");
}

TEST(SlirpReach, HostThatHasSaidAllStillHears)
{
    Connected both;
    ASSERT_EQ(send(both.server.get(), "greeting", 8, 0), 8);
    ASSERT_EQ(shutdown(both.server.get(), SHUT_WR), 0);
    EXPECT_EQ(both.hear_all(), "greeting");
    both.say("first, ", packets::kAck | packets::kPush);
    both.say("second", packets::kAck | packets::kPush | packets::kFin);
    EXPECT_EQ(both.read_all(), "first, second");
}

TEST(SlirpReach, EchoIsAnsweredByTheRouterAndByHosts)
{
    NetGuest guest{{.host_loopback = true}};
    guest.find_router();
    UniqueFd may{socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)}, root{socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)};
    for (std::uint32_t to : {packets::kGateway, 0x7f000001u}) {
        if (to != packets::kGateway && !may && !root)
            GTEST_SKIP() << "no ICMP sockets here";
        guest.send(packets::echo_request(guest.mac, guest.router_mac, to, "ping of the guest's"));
        std::string frame;
        do {
            frame = guest.receive();
        } while (!frame.empty() && !packets::is_echo_reply(frame, to, "ping of the guest's"));
        EXPECT_FALSE(frame.empty());
    }
}

TEST(SlirpReach, RouterOffersAnIpv6Network)
{
    NetGuest guest;
    guest.send(packets::router_solicitation(guest.mac));
    std::string frame;
    do {
        frame = guest.receive();
    } while (!frame.empty() && !packets::is_router_advertisement(frame, packets::ip6_address("fec0::")));
    EXPECT_FALSE(frame.empty());
}

} // namespace
} // namespace colinux
