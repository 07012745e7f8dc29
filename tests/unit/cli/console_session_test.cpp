// SPDX-License-Identifier: GPL-2.0
// A user at a terminal: the console session in a process of its own on a pseudo terminal, the daemon's
// control server and console hub here, a guest that echoes in upper case.
#include "cli/console_session.hpp"
#include "control/run_directory.hpp"
#include "tests/fakes/console_target.hpp"
#include "tests/fakes/patience.hpp"
#include "vmm/control_server.hpp"

#include <gtest/gtest.h>

#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <filesystem>

namespace colinux {
namespace {

[[noreturn]] void be_the_user(std::string_view when_connected = "")
{
    int outcome = 99;
    eventually([] { return access(RunDirectory{}.socket_path("web").c_str(), F_OK) == 0; });
    try {
        StopSignals stop;
        ConsoleSession session{"web", stop};
        if (write(STDOUT_FILENO, when_connected.data(), when_connected.size()) >= 0)
            outcome = static_cast<int>(session.run());
    } catch (const Failure&) {
        // the exit status says it
    }
    _exit(outcome);
}

class ConsoleSessionTest : public testing::Test {
protected:
    ConsoleSessionTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_RUN_DIR", folder_.c_str(), 1);
        // The user's process comes before our threads do.
        winsize size{50, 132, 0, 0};
        user_ = forkpty(&terminal_, nullptr, nullptr, &size);
        if (user_ == 0)
            be_the_user();
        hub_.start();
        server_ = std::make_unique<ControlServer>(RunDirectory{}.socket_path("web"), target_);
        server_->start();
    }
    ~ConsoleSessionTest() override
    {
        server_.reset();
        close(terminal_);
        std::filesystem::remove_all(folder_);
    }

    void type(const std::string& keys)
    {
        ASSERT_EQ(write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }

    void expect_shown(const std::string& text)
    {
        char bytes[256];
        while (shown_.find(text) == std::string::npos) {
            ssize_t count = read(terminal_, bytes, sizeof bytes);
            ASSERT_GT(count, 0) << "shown: " << shown_;
            shown_.append(bytes, static_cast<std::size_t>(count));
        }
    }

    int users_exit_status()
    {
        int status = 0;
        waitpid(user_, &status, 0);
        return WEXITSTATUS(status);
    }

    std::string folder_;
    int terminal_{-1};
    pid_t user_{-1};
    std::string shown_;
    EchoingGuest guest_;
    ConsoleHub hub_{guest_};
    HubTarget target_{hub_};
    std::unique_ptr<ControlServer> server_;
};

TEST_F(ConsoleSessionTest, KeysGoThroughUnchangedAndTheDetachKeyLeaves)
{
    hub_.output("login: ");
    expect_shown("login: ");
    type("ctrl-c\x03 tab\t");
    expect_shown("CTRL-C\x03 TAB\t");
    type("\x1d");
    EXPECT_EQ(users_exit_status(), static_cast<int>(ConsoleSession::Outcome::Detached));
}

TEST_F(ConsoleSessionTest, TheTerminalsSizeReachesTheGuest)
{
    hub_.output("login: ");
    expect_shown("login: ");
    EXPECT_EQ(guest_.size, 50132);
    type("\x1d");
    users_exit_status();
}

TEST_F(ConsoleSessionTest, TheGuestsEndEndsTheSession)
{
    hub_.output("login: ");
    expect_shown("login: ");
    hub_.output("Power down\r\n");
    hub_.stop();
    expect_shown("Power down");
    EXPECT_EQ(users_exit_status(), static_cast<int>(ConsoleSession::Outcome::Ended));
}

// Bug: text that came with the daemon's answer was shown while the terminal still edited lines and made signals of keys:
// who answered at once typed to the host.
TEST(ConsoleSession, ShowsNothingBeforeTheTerminalIsRaw)
{
    char folder[] = "/tmp/colinux-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    setenv("COLINUX_RUN_DIR", folder, 1);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    RunDirectory{}.socket_path("web").copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd daemon{socket(AF_UNIX, SOCK_STREAM, 0)};
    ASSERT_EQ(bind(daemon.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(daemon.get(), 2), 0);
    int terminal = -1;
    pid_t user = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (user == 0)
        be_the_user("connected ");
    UniqueFd control{accept(daemon.get(), nullptr, nullptr)}, console{accept(daemon.get(), nullptr, nullptr)};
    std::string both = answer() + "login: ";
    ASSERT_EQ(send(console.get(), both.data(), both.size(), MSG_NOSIGNAL), static_cast<ssize_t>(both.size()));
    std::string shown;
    for (char byte; !shown.ends_with("login: ") && read(terminal, &byte, 1) == 1;)
        shown += byte;
    EXPECT_EQ(shown, "connected login: ");
    console.reset();
    waitpid(user, nullptr, 0);
    close(terminal);
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace colinux
