// SPDX-License-Identifier: GPL-2.0
// DnsRelay: questions of a guest's to servers of this test's, over IPv4 and IPv6, and back.
#include "tests/fakes/net_guest.hpp"
#include "tests/fakes/patience.hpp"
#include "tests/fakes/temporary_file.hpp"
#include "vmm/devices/dns_relay.hpp"

#include <fstream>

namespace colinux {
namespace {

using packets::Udp;

constexpr std::uint32_t kServer = 0x0a000203;
const std::string kMac{"\x02\1\2\3\4\5"};
// "x.example", A, IN
const std::string kQuestion{"\x12\x34\1\0\0\1\0\0\0\0\0\0\1x\7example\0\0\1\0\1", 27};

// A name server at ::1 or 127.0.0.1, at `port` or one of the kernel's choice.
struct NameServer {
    explicit NameServer(int family, std::uint16_t port = 0) : fd{socket(family, SOCK_DGRAM, 0)}
    {
        sockaddr_in v4 = loopback(port);
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        v6.sin6_addr = in6addr_loopback;
        sockaddr* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
        socklen_t bytes = family == AF_INET ? sizeof v4 : sizeof v6;
        if (bind(fd.get(), address, bytes) != 0 || getsockname(fd.get(), address, &bytes) != 0)
            fd.reset();
        number = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    }
    std::string hear()
    {
        if (!becomes_readable(fd.get()))
            return "";
        char text[512];
        bytes = sizeof from;
        ssize_t count = recvfrom(fd.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &bytes);
        return {text, static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
    }
    void answer(const std::string& text) { sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), bytes); }

    UniqueFd fd;
    std::uint16_t number{};
    sockaddr_storage from{};
    socklen_t bytes{};
};

class DnsRelayTest : public testing::Test {
protected:
    void configure(const std::string& text) { std::ofstream{file_.path()} << text; }
    void begin(std::uint16_t port) { relay_.emplace(kServer, file_.path(), port); }
    bool ask(const std::string& text, std::uint32_t to = kServer, std::uint16_t port = 53)
    {
        std::string frame = packets::udp(kMac, kMac, {packets::kGuest, to, 5000, port, text});
        return relay_->take(std::as_bytes(std::span{frame}));
    }
    // The next answer that reaches the guest; its data is empty when none is expected any more.
    Udp receive()
    {
        Udp answer{};
        for (;;) {
            std::vector<pollfd> descriptors;
            std::uint32_t timeout = static_cast<std::uint32_t>(kPatience.count());
            if (relay_->prepare(descriptors, timeout) == 0)
                return answer;
            poll(descriptors.data(), descriptors.size(), static_cast<int>(timeout));
            relay_->dispatch(descriptors, [&](std::span<const std::byte> frame) {
                std::string text{reinterpret_cast<const char*>(frame.data()), frame.size()};
                EXPECT_TRUE(packets::parse_udp(text, answer));
                EXPECT_EQ(text.substr(0, 6), kMac);
            });
            if (!answer.data.empty())
                return answer;
        }
    }

    TemporaryFile file_{0};
    std::optional<DnsRelay> relay_;
};

TEST_F(DnsRelayTest, QuestionIsAnsweredFromTheServersAddress)
{
    NameServer server{AF_INET};
    configure("# a comment\nnameserver 127.0.0.1\n");
    begin(server.number);
    EXPECT_TRUE(ask(kQuestion));
    EXPECT_EQ(server.hear(), kQuestion);
    server.answer(kQuestion + "and its answer");
    Udp answer = receive();
    EXPECT_EQ(answer.data, kQuestion + "and its answer");
    EXPECT_EQ(answer.from_address, kServer);
    EXPECT_EQ(answer.from_port, 53);
    EXPECT_EQ(answer.to_address, packets::kGuest);
    EXPECT_EQ(answer.to_port, 5000);
}

TEST_F(DnsRelayTest, Ipv6ServerIsAsked)
{
    NameServer server{AF_INET6};
    if (!server.fd)
        GTEST_SKIP() << "no IPv6 here";
    configure("nameserver ::1\n");
    begin(server.number);
    EXPECT_TRUE(ask(kQuestion));
    EXPECT_EQ(server.hear(), kQuestion);
    server.answer(kQuestion);
    EXPECT_EQ(receive().data, kQuestion);
}

TEST_F(DnsRelayTest, ChangedConfigurationIsHeededByTheNextQuestion)
{
    NameServer old{AF_INET}, now{AF_INET6, old.number};
    if (!now.fd)
        GTEST_SKIP() << "no IPv6 here";
    configure("nameserver 127.0.0.1\n");
    begin(old.number);
    ask(kQuestion);
    EXPECT_EQ(old.hear(), kQuestion);
    configure("nameserver ::1\n");
    ask(kQuestion);
    EXPECT_EQ(now.hear(), kQuestion);
}

TEST_F(DnsRelayTest, NextServerIsAskedWhereNobodyListensOrAnswers)
{
    NameServer server{AF_INET};
    configure("nameserver 127.0.0.9\nnameserver 127.0.0.1\n"); // nobody at the first one
    begin(server.number);
    ask(kQuestion);
    std::vector<pollfd> descriptors;
    std::uint32_t timeout = static_cast<std::uint32_t>(kPatience.count());
    ASSERT_EQ(relay_->prepare(descriptors, timeout), 1u);
    poll(descriptors.data(), 1, static_cast<int>(timeout)); // refused
    relay_->dispatch(descriptors, [](std::span<const std::byte>) {});
    EXPECT_EQ(server.hear(), kQuestion);
    // and now this one is silent: the question is given up in the end
    EXPECT_EQ(receive().data, "");
}

TEST_F(DnsRelayTest, AnswerToAnotherQuestionIsNoAnswer)
{
    NameServer server{AF_INET};
    configure("nameserver 127.0.0.1\n");
    begin(server.number);
    ask(kQuestion);
    server.hear();
    server.answer("\x12\x35" + kQuestion.substr(2));
    server.answer("short");
    server.answer(kQuestion + "right");
    EXPECT_EQ(receive().data, kQuestion + "right");
}

TEST_F(DnsRelayTest, LongAnswerIsCutOffWithItsQuestion)
{
    NameServer server{AF_INET};
    configure("nameserver 127.0.0.1\n");
    begin(server.number);
    ask(kQuestion + "additional records");
    server.hear();
    server.answer(kQuestion + std::string(2000, 'r'));
    std::string text = receive().data;
    EXPECT_EQ(text.size(), kQuestion.size());
    EXPECT_EQ(text[2], 3); // TC beside what the server said
    EXPECT_EQ(text.substr(12), kQuestion.substr(12));
}

TEST_F(DnsRelayTest, OtherFramesAreNotTaken)
{
    begin(1);
    EXPECT_FALSE(ask(kQuestion, packets::kGateway));
    EXPECT_FALSE(ask(kQuestion, kServer, 54));
    EXPECT_FALSE(relay_->take({}));
    std::string frame = packets::udp(kMac, kMac, {packets::kGuest, kServer, 5000, 53, kQuestion});
    for (std::size_t bytes = 0; bytes < frame.size(); bytes++)
        relay_->take(std::as_bytes(std::span{frame}.first(bytes)));
    EXPECT_EQ(receive().data, ""); // none of these is a question
}

TEST_F(DnsRelayTest, QuestionsThatNobodyAnswersDoNotPileUp)
{
    NameServer server{AF_INET};
    configure("nameserver 127.0.0.1\n");
    begin(server.number);
    for (int i = 0; i < 300; i++)
        ask(kQuestion);
    std::vector<pollfd> descriptors;
    std::uint32_t timeout = 0;
    EXPECT_EQ(relay_->prepare(descriptors, timeout), 64u);
}

TEST_F(DnsRelayTest, LastSearchListCounts)
{
    configure("domain first.example\nsearch a.example b.example\n");
    EXPECT_EQ(DnsRelay::search_domains(file_.path()), (std::vector<std::string>{"a.example", "b.example"}));
    configure("search .\n");
    EXPECT_TRUE(DnsRelay::search_domains(file_.path()).empty());
}

} // namespace
} // namespace colinux
