// SPDX-License-Identifier: GPL-2.0
#include "tests/fakes/debug_target.hpp"
#include "tests/fakes/patience.hpp"
#include "control/failure.hpp"
#include "vmm/gdb/gdb_server.hpp"
#include "vmm/sys/linux/loopback_tcp.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace colinux::testing {
namespace {

std::uint16_t port_of(const UniqueFd& listener)
{
    sockaddr_in address{};
    socklen_t bytes = sizeof address;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &bytes);
    EXPECT_EQ(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    return ntohs(address.sin_port);
}

UniqueFd connect_to(std::uint16_t port)
{
    UniqueFd connection{socket(AF_INET, SOCK_STREAM, 0)};
    timeval limit{kPatience.count() / 1000, 0};
    setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {}};
    EXPECT_EQ(connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return connection;
}

std::string receive(const UniqueFd& connection, std::size_t bytes)
{
    std::string text(bytes, '\0');
    ssize_t count = recv(connection.get(), text.data(), bytes, MSG_WAITALL);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

class GdbServerTest : public ::testing::Test {
protected:
    GdbServerTest() : listener{listen_for_gdb(0)}, port{port_of(listener)} {}

    std::string ask(const UniqueFd& gdb, const std::string& text, const std::string& expected)
    {
        std::string packet = frame(text);
        ::send(gdb.get(), packet.data(), packet.size(), MSG_NOSIGNAL);
        return receive(gdb, expected.size());
    }

    FakeDebugTarget target;
    std::string logged;
    UniqueFd listener;
    std::uint16_t port;
};

TEST_F(GdbServerTest, OneGdbAtATime)
{
    GdbServer server{listener.get(), target, [this](const std::string& text) { logged += text; }};
    server.start();
    std::string stopped = "+" + frame("T05thread:1;");
    {
        UniqueFd gdb = connect_to(port);
        EXPECT_EQ(ask(gdb, "?", stopped), stopped);
        EXPECT_TRUE(server.attached());
        UniqueFd second = connect_to(port);
        EXPECT_EQ(receive(second, 1), "") << "hung up on";
    }
    UniqueFd next;
    EXPECT_TRUE(eventually([&] { // the end of the first has been seen
        next = connect_to(port);
        return ask(next, "?", stopped) == stopped;
    }));
    EXPECT_EQ(std::ranges::count(target.history, "let go"), 1);
}

TEST_F(GdbServerTest, TrapAndEndReachTheGdb)
{
    GdbServer server{listener.get(), target, [](const std::string&) {}};
    server.start();
    UniqueFd gdb = connect_to(port);
    EXPECT_EQ(ask(gdb, "c", "+"), "+");
    target.stop_with({1, true}, 1); // "+" comes before it goes
    server.look();
    std::string stopped = frame("T05thread:2;");
    EXPECT_EQ(receive(gdb, stopped.size()), stopped);
    EXPECT_EQ(ask(gdb, "c", "+"), "+");
    server.guest_ended(12);
    EXPECT_EQ(receive(gdb, 7), frame("W0c"));
    EXPECT_EQ(receive(gdb, 1), "") << "closed";
}

TEST_F(GdbServerTest, GuestThatRebootsListensAgain)
{
    std::string stopped = "+" + frame("T05thread:1;");
    std::optional<GdbServer> server{std::in_place, listener.get(), target, [](const std::string&) {}};
    server->start();
    UniqueFd gdb = connect_to(port);
    EXPECT_EQ(ask(gdb, "?", stopped), stopped);
    server->guest_ended(10);
    server.reset();
    UniqueFd early = connect_to(port); // while the guest is made anew
    server.emplace(listener.get(), target, [](const std::string&) {});
    server->start();
    EXPECT_EQ(ask(early, "?", stopped), stopped);
}

TEST_F(GdbServerTest, PortThatIsTakenIsToldByName)
{
    try {
        listen_for_gdb(port);
        FAIL() << "it is taken";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::PortTaken);
        EXPECT_NE(std::string{failure.what()}.find(std::to_string(port)), std::string::npos);
    }
}

TEST(LoopbackTcp, OwnerOfTheOtherEndIsKnownWhileItIsThere)
{
    UniqueFd listener = listen_on_loopback(0);
    UniqueFd client = connect_to(port_of(listener));
    UniqueFd connection;
    ASSERT_TRUE(eventually([&] {
        connection = UniqueFd{accept(listener.get(), nullptr, nullptr)};
        return static_cast<bool>(connection);
    }));
    EXPECT_EQ(peer_of(connection.get()), geteuid());
    client.reset();
    EXPECT_EQ(peer_of(connection.get()), std::nullopt) << "nobody can say whose it was";
}

} // namespace
} // namespace colinux::testing
