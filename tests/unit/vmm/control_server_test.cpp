// SPDX-License-Identifier: GPL-2.0
// The control socket with a fake guest behind it and the real client in front.
#include "vmm/control_server.hpp"

#include "cli/control_client.hpp"
#include "control/dump_file.hpp"
#include "control/run_directory.hpp"
#include "tests/fakes/descriptor_limit.hpp"
#include "tests/fakes/patience.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

namespace colinux {
namespace {

class FakeGuest final : public ControlTarget {
public:
    nlohmann::json status() override { return {{"name", "web"}}; }
    nlohmann::json stats() override { throw Failure{ExitCode::Internal, "no stats"}; }
    nlohmann::json memory(std::optional<std::uint64_t> wanted) override { return {{"current_bytes", 2 << 20}, {"wanted_bytes", wanted.value_or(2 << 20)}}; }
    nlohmann::json report() override { throw std::runtime_error{"a mistake of ours"}; }
    void dump(int file, const DumpProgress& progress) override
    {
        if (full)
            throw Failure{ExitCode::DumpFailed, "no space"};
        while (progress(1, 2) && endless) { // until somebody cancels it
        }
        dumps += static_cast<int>(write(file, "core", 4)) == 4;
    }
    void stop(std::chrono::seconds) override { stops++; }
    void kill() override { kills++; }
    std::string logs() override { return log; }
    void follow_logs(UniqueFd connection, std::uint64_t lines) override
    {
        std::string text = "following " + std::to_string(lines);
        ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
    void resize(std::uint16_t rows, std::uint16_t columns) override { size = rows * 1000 + columns; }
    void attach_console(UniqueFd connection, const std::string& typed) override
    {
        std::string text = "console:" + typed;
        ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }

    void connect_port(UniqueFd& connection, std::uint32_t port, const std::string& early) override
    {
        if (port == 0)
            throw Failure{ExitCode::ControlSocket, "it reboots"};
        std::string text = answer() + std::to_string(port) + early;
        UniqueFd mine = std::move(connection);
        ::send(mine.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }

    std::atomic<int> stops{}, kills{}, size{}, dumps{};
    std::atomic<bool> full{}, endless{}; // how dump() goes
    std::string log = std::string(3 << 20, 'x');
};

class ControlServerTest : public testing::Test {
protected:
    ControlServerTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_RUN_DIR", folder_.c_str(), 1);
        server_ = std::make_unique<ControlServer>(RunDirectory{}.socket_path("web"), guest_);
        server_->start();
    }
    ~ControlServerTest() override { std::filesystem::remove_all(folder_); }

    std::string folder_;
    FakeGuest guest_;
    std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, ConnectionBecomesAStreamToThePort)
{
    ControlClient client{"web"};
    client.call({{"call", "connect"}, {"port", 1024}});
    EXPECT_EQ(client.read_bytes(4), "1024");
}

TEST_F(ControlServerTest, ConnectionThatIsRefusedGoesOn)
{
    ControlClient client{"web"};
    EXPECT_THROW(client.call({{"call", "connect"}, {"port", 0}}), Failure);
    EXPECT_EQ(client.call("status")["name"], "web");
}

TEST_F(ControlServerTest, SocketIsForTheOwnerOnly)
{
    struct stat status;
    ASSERT_EQ(stat(RunDirectory{}.socket_path("web").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

// Bug: a client that saw the socket at once was refused, when it came between bind() and listen().
TEST_F(ControlServerTest, SocketAppearsWhenItListens)
{
    UniqueFd news{inotify_init1(IN_CLOEXEC)};
    ASSERT_GE(inotify_add_watch(news.get(), folder_.c_str(), IN_CREATE | IN_MOVED_TO), 0);
    ControlServer second{RunDirectory{}.socket_path("second"), guest_};
    alignas(inotify_event) char bytes[4096];
    ssize_t count = read(news.get(), bytes, sizeof bytes); // both events are there
    std::map<std::string, unsigned> came;
    for (ssize_t at = 0; at < count;) {
        auto* event = reinterpret_cast<inotify_event*>(bytes + at);
        came[event->name] |= event->mask;
        at += static_cast<ssize_t>(sizeof *event + event->len);
    }
    EXPECT_EQ(came["second.sock"], static_cast<unsigned>(IN_MOVED_TO)) << "whole from the first moment";
}

// Bug: a client that came when the daemon had no descriptor left was neither taken nor refused, and the server spun.
TEST_F(ControlServerTest, ClientsAreServedOneByOneWhileNoDescriptorIsLeft)
{
    ControlClient{"web"}.call("status"); // UBSan's look at a new type takes descriptors, too
    sockaddr_un address{AF_UNIX, {}};
    RunDirectory{}.socket_path("web").copy(address.sun_path, sizeof address.sun_path - 1);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 3; i++)
        clients.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    DescriptorLimit limit{0};
    for (const UniqueFd& client : clients) {
        ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::send(client.get(), "{\"call\":\"status\"}\n", 18, 0), 18);
    }
    EXPECT_TRUE(becomes_readable(clients[0].get()));
    EXPECT_LT(busy_share(), 0.2);
    for (UniqueFd& client : clients) {
        EXPECT_TRUE(becomes_readable(client.get()));
        client.reset();
    }
}

TEST_F(ControlServerTest, AnswersSeveralCallsOnOneConnection)
{
    ControlClient client{"web"};
    EXPECT_EQ(client.call("status")["name"], "web");
    client.call("stop");
    client.call({{"call", "resize"}, {"rows", 50}, {"columns", 132}});
    EXPECT_EQ(guest_.stops, 1);
    EXPECT_EQ(guest_.size, 50132);
}

TEST_F(ControlServerTest, FailureIsReportedAndTheConnectionGoesOn)
{
    ControlClient client{"web"};
    EXPECT_THROW(client.call("stats"), Failure);
    EXPECT_THROW(client.call("nonsense"), Failure);
    EXPECT_EQ(client.call("status")["name"], "web");
}

TEST_F(ControlServerTest, AQuestionThatFailsForAnyReasonIsAnswered)
{
    ControlClient client{"web"};
    try {
        client.call("report");
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::Internal);
        EXPECT_STREQ(failure.what(), "a mistake of ours");
    }
    EXPECT_EQ(client.call("status")["name"], "web");
}

TEST_F(ControlServerTest, LogsLargerThanTheSocketComeWhole)
{
    ControlClient client{"web"};
    std::size_t bytes = client.call("logs")["bytes"];
    EXPECT_EQ(client.read_bytes(bytes), std::string(3 << 20, 'x'));
}

TEST_F(ControlServerTest, TailOfTheLogs)
{
    guest_.log = "one\ntwo\nthree\nlogin: ";
    ControlClient client{"web"};
    std::size_t bytes = client.call({{"call", "logs"}, {"tail", 2}})["bytes"];
    EXPECT_EQ(client.read_bytes(bytes), "three\nlogin: ");
}

TEST_F(ControlServerTest, LogsThatFollowTurnIntoAByteStream)
{
    ControlClient client{"web"};
    client.call({{"call", "logs"}, {"follow", true}, {"tail", 7}});
    EXPECT_EQ(client.read_bytes(11), "following 7");
}

TEST_F(ControlServerTest, ConsoleTurnsIntoAByteStream)
{
    ControlClient client{"web"};
    client.call("console");
    EXPECT_EQ(client.read_bytes(8), "console:");
}

TEST_F(ControlServerTest, EndlessLineIsAnsweredAndClosed)
{
    ControlClient client{"web"};
    EXPECT_THROW(client.call({{"call", std::string(8192, 'x')}}), Failure);
    EXPECT_EQ(ControlClient{"web"}.call("status")["name"], "web");
}

TEST_F(ControlServerTest, ManyClientsThatGoAtOnce)
{
    for (int i = 0; i < 200; i++)
        ControlClient{"web"};
    EXPECT_EQ(ControlClient{"web"}.call("status")["name"], "web");
}

TEST_F(ControlServerTest, DumpTellsItsProgressThenItsEnd)
{
    ControlClient client{"web"};
    std::string path = folder_ + "/core";
    DumpFile file{path};
    client.ask_with(file.fd(), "dump");
    nlohmann::json first = client.next_answer();
    EXPECT_EQ(first["event"], "progress");
    EXPECT_EQ(first["total"], 2);
    EXPECT_FALSE(client.next_answer().contains("event"));
    file.complete();
    EXPECT_EQ(std::filesystem::file_size(path), 4u);
    EXPECT_EQ(client.call("status")["name"], "web");
    guest_.full = true;
    client.ask_with(file.fd(), "dump");
    EXPECT_THROW(client.next_answer(), Failure);
}

TEST_F(ControlServerTest, DumpIsRefusedWithoutAFileToWriteTo)
{
    ControlClient client{"web"};
    EXPECT_THROW(client.call("dump"), Failure);
    UniqueFd device{open("/dev/null", O_RDWR | O_CLOEXEC)}, to_read{open("/etc/passwd", O_RDONLY | O_CLOEXEC)};
    for (int file : {device.get(), to_read.get()}) {
        client.ask_with(file, "dump");
        EXPECT_THROW(client.next_answer(), Failure);
    }
    EXPECT_EQ(guest_.dumps, 0);
}

TEST_F(ControlServerTest, DumpEndsWithItsClientAndNobodyElseWaitsForIt)
{
    guest_.endless = true;
    DumpFile file{folder_ + "/core"};
    {
        ControlClient dumper{"web"}, other{"web"};
        dumper.ask_with(file.fd(), "dump");
        dumper.next_answer();
        EXPECT_EQ(other.call("status")["name"], "web");
        other.ask_with(file.fd(), "dump");
        EXPECT_THROW(other.next_answer(), Failure);
        EXPECT_EQ(guest_.dumps, 0);
    }
    EXPECT_TRUE(eventually([&] { return guest_.dumps == 1; }));
}

TEST_F(ControlServerTest, ClientWaitsForAnAnswerOrForSomethingElse)
{
    guest_.endless = true;
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd reading{ends[0]}, writing{ends[1]};
    ControlClient client{"web"}, slow{"web", std::chrono::milliseconds{50}};
    DumpFile file{folder_ + "/core"};
    client.ask_with(file.fd(), "dump");
    EXPECT_TRUE(client.wait_for_answer(reading.get()));
    EXPECT_THROW(slow.wait_for_answer(reading.get()), NotAnswering);
    ASSERT_EQ(write(writing.get(), "!", 1), 1);
    EXPECT_FALSE(slow.wait_for_answer(reading.get()));
}

TEST_F(ControlServerTest, DumpIsAbandonedWhenTheGuestEnds)
{
    guest_.endless = true;
    DumpFile file{folder_ + "/core"};
    ControlClient dumper{"web"};
    dumper.ask_with(file.fd(), "dump");
    dumper.next_answer();
    server_->pause();
    EXPECT_EQ(guest_.dumps, 1);
    server_->finish({ExitCode::GuestKilled, "killed"});
}

TEST_F(ControlServerTest, WaitersHearHowTheGuestEnded)
{
    ControlClient client{"web"};
    client.announce_wait();
    client.call("kill");
    std::jthread guest{[this] {
        server_->pause();
        server_->finish({ExitCode::GuestPanic, "kernel panic", "/var/log/colinux/web.report"});
    }};
    nlohmann::json end = client.wait_for_end();
    EXPECT_EQ(end["code"], 12);
    EXPECT_EQ(end["reason"], "kernel panic");
    EXPECT_EQ(end["report"], "/var/log/colinux/web.report");
}

// Bug: one stopped daemon made `colinux ps` and every other call wait without end.
TEST(ControlClient, DaemonThatDoesNotAnswerCostsATimeOut)
{
    char folder[] = "/tmp/colinux-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    setenv("COLINUX_RUN_DIR", folder, 1);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    RunDirectory{}.socket_path("stuck").copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd daemon{socket(AF_UNIX, SOCK_STREAM, 0)}; // listens, never accepts
    ASSERT_EQ(bind(daemon.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(daemon.get(), 1), 0);
    ControlClient first{"stuck", std::chrono::milliseconds{20}}, second{"stuck", std::chrono::milliseconds{20}};
    EXPECT_THROW(first.call("status"), NotAnswering);
    EXPECT_THROW(second.call("kill"), NotAnswering);
    EXPECT_THROW((ControlClient{"stuck", std::chrono::milliseconds{20}}), NotAnswering) << "none may wait any more";
    std::filesystem::remove_all(folder);
}

TEST_F(ControlServerTest, UnknownNameHasItsCode)
{
    try {
        ControlClient{"other"};
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::NameUnknown);
    }
}

} // namespace
} // namespace colinux
