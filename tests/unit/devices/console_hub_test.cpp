// SPDX-License-Identifier: GPL-2.0
// ConsoleHub: fan-out, replay, input, slow and vanished clients.
#include "control/last_lines.hpp"
#include "tests/fakes/patience.hpp"
#include "tests/fakes/socket_pair.hpp"
#include "tests/fakes/temporary_file.hpp"
#include "vmm/devices/console_hub.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <regex>

namespace colinux {
namespace {

// A console whose output the test prints and whose input it keeps.
class FakeEndpoint final : public ConsoleEndpoint {
public:
    void connect(EventLoop& hub_loop, ConsoleOutput output) override
    {
        loop_ = &hub_loop;
        output_ = std::move(output);
    }
    std::size_t write_input(std::string_view bytes) override
    {
        std::lock_guard lock{mutex_};
        offers++;
        std::size_t taken = std::min<std::size_t>(bytes.size(), room);
        typed_ += bytes.substr(0, taken);
        return taken;
    }
    void resize(std::uint16_t rows, std::uint16_t columns) override { size = rows * 1000 + columns; }

    void print(const std::string& text)
    {
        loop_->call([&] { output_(text); });
    }
    // Returns when the hub has looked at every descriptor and taken what came there: its loop runs calls, then looks.
    void settle()
    {
        for (int i = 0; i < 2; i++)
            loop_->call([] {});
    }
    std::string wait_for_input(std::size_t bytes)
    {
        eventually([&] { return typed().size() >= bytes; });
        return typed();
    }
    std::string typed()
    {
        std::lock_guard lock{mutex_};
        return typed_;
    }

    std::atomic<std::size_t> room{1 << 20};
    std::atomic<int> size{}, offers{};

private:
    EventLoop* loop_{};
    ConsoleOutput output_;
    std::mutex mutex_;
    std::string typed_;
};

struct ConsoleHubTest : testing::Test {
    ConsoleHubTest()
    {
        hub.begin_log(log.path());
        hub.start();
    }

    TemporaryFile log{0};
    FakeEndpoint guest;
    ConsoleHub hub{guest};
    SocketPair client, second;
};

TEST_F(ConsoleHubTest, ClientSeesWhatWasPrintedBeforeAndAfter)
{
    guest.print("before\n");
    hub.attach(client.take_other_end());
    EXPECT_EQ(client.read(7), "before\n");
    guest.print("after\n");
    EXPECT_EQ(client.read(6), "after\n");
}

TEST_F(ConsoleHubTest, EveryClientSeesEverything)
{
    hub.attach(client.take_other_end());
    hub.attach(second.take_other_end());
    guest.print("hello");
    EXPECT_EQ(client.read(5), "hello");
    EXPECT_EQ(second.read(5), "hello");
}

TEST_F(ConsoleHubTest, LogHasEverything)
{
    guest.print("one\n");
    guest.print("two\n");
    EXPECT_EQ(log.read(0, 100), "one\ntwo\n");
}

TEST_F(ConsoleHubTest, ReattachShowsWhatWasMissed)
{
    hub.attach(client.take_other_end());
    std::string seen(10000, 's'), missed(20000, 'm');
    seen += '\n';
    guest.print(seen);
    EXPECT_EQ(client.read(seen.size()), seen);
    client.hang_up();
    guest.print(missed + "\n");
    hub.attach(second.take_other_end());
    EXPECT_EQ(second.read(missed.size()), missed);
}

TEST_F(ConsoleHubTest, ReattachShowsTheLastLinesAgain)
{
    hub.attach(client.take_other_end());
    std::string text;
    for (int i = 0; i < 1000; i++)
        text += "line " + std::to_string(i) + "\n";
    guest.print(text);
    EXPECT_EQ(client.read(text.size()), text);
    hub.attach(second.take_other_end());
    hub.stop(); // hangs up, so the next line reads to the end
    std::string again = second.read(text.size());
    EXPECT_GE(again.size(), 1024u);
    EXPECT_LE(again.size(), 1100u);
    EXPECT_EQ(again.substr(0, 5), "line ");
    EXPECT_TRUE(text.ends_with(again));
}

TEST_F(ConsoleHubTest, OnlyTheLast256KiBAreKept)
{
    std::string old(100000, 'o'), recent(ConsoleHistory::kBytes, 'r');
    guest.print(old);
    guest.print(recent);
    hub.attach(client.take_other_end());
    EXPECT_EQ(client.read(recent.size()), recent);
}

TEST_F(ConsoleHubTest, ClientThatDoesNotReadDelaysNobody)
{
    hub.attach(client.take_other_end()); // never reads
    hub.attach(second.take_other_end());
    std::string chunk(50000, 'c');
    for (int i = 0; i < 40; i++) {
        guest.print(chunk);
        ASSERT_EQ(second.read(chunk.size()), chunk);
    }
}

TEST_F(ConsoleHubTest, ClientsThatVanishAreForgotten)
{
    for (int i = 0; i < 20; i++) {
        SocketPair visitor;
        hub.attach(visitor.take_other_end());
        guest.print("x");
    }
    hub.attach(client.take_other_end());
    guest.print("still here");
    EXPECT_EQ(client.read(30), std::string(20, 'x') + "still here");
}

TEST_F(ConsoleHubTest, TypedBytesReachTheGuest)
{
    hub.attach(client.take_other_end(), "typed with the request, ");
    client.type("root\n");
    EXPECT_EQ(guest.wait_for_input(29), "typed with the request, root\n");
}

TEST_F(ConsoleHubTest, InputWaitsForRoomAndNothingIsLost)
{
    guest.room = 0;
    hub.attach(client.take_other_end());
    client.type("abcdefgh");
    ASSERT_TRUE(eventually([this] { return guest.offers >= 3; }));
    EXPECT_EQ(guest.typed(), "");
    guest.room = 3;
    EXPECT_EQ(guest.wait_for_input(8), "abcdefgh");
}

TEST_F(ConsoleHubTest, ClientThatEndsItsInputStillListens)
{
    hub.attach(client.take_other_end());
    shutdown(client.fd(), SHUT_WR);
    guest.settle();
    guest.print("output");
    EXPECT_EQ(client.read(6), "output");
}

TEST_F(ConsoleHubTest, FollowerGetsTheLogsEndThenWhatIsPrinted)
{
    guest.print("one\ntwo\nthree\n");
    hub.follow(client.take_other_end(), 2);
    EXPECT_EQ(client.read(10), "two\nthree\n");
    guest.print("four\n");
    EXPECT_EQ(client.read(5), "four\n");
    hub.stop();
    EXPECT_EQ(client.read(1), "");
}

TEST_F(ConsoleHubTest, FollowerIsNoConsole)
{
    hub.follow(client.take_other_end(), 0);
    client.type("not for the guest");
    std::string missed(20000, 'm');
    guest.print(missed);
    EXPECT_EQ(client.read(missed.size()), missed);
    guest.settle();
    EXPECT_EQ(guest.typed(), "");
    hub.attach(second.take_other_end());
    EXPECT_EQ(second.read(missed.size()), missed) << "nobody had seen it on a console";
}

// What the hub holds for one that does not read has an end, whatever the guest prints; and the reader is told.
TEST_F(ConsoleHubTest, SlowFollowerIsToldWhatItMissed)
{
    hub.follow(client.take_other_end(), kAllLines);
    std::string chunk(50000, 'c');
    for (int i = 0; i < 100; i++)
        guest.print(chunk);
    guest.print("end");
    std::string all;
    char bytes[4096];
    for (ssize_t count; !all.ends_with("end") && (count = recv(client.fd(), bytes, sizeof bytes, 0)) > 0;)
        all.append(bytes, static_cast<std::size_t>(count));
    std::regex left_out{"\r\ncolinuxd: ([0-9]+) bytes are left out here\r\n"};
    std::size_t told = 0, printed = all.size();
    for (std::sregex_iterator found{all.begin(), all.end(), left_out}; found != std::sregex_iterator{}; ++found) {
        told += std::stoull((*found)[1]);
        printed -= static_cast<std::size_t>(found->length());
    }
    EXPECT_GT(told, 0u);
    EXPECT_EQ(printed + told, 100 * chunk.size() + 3);
}

TEST_F(ConsoleHubTest, ResizeReachesTheGuest)
{
    hub.resize(50, 132);
    hub.stop();
    EXPECT_EQ(guest.size, 50132);
}

TEST_F(ConsoleHubTest, StopSendsTheLastTextAndHangsUp)
{
    hub.attach(client.take_other_end());
    guest.print("goodbye");
    hub.stop();
    EXPECT_EQ(client.read(100), "goodbye");
}

} // namespace
} // namespace colinux
