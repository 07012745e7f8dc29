// SPDX-License-Identifier: GPL-2.0
// A console session under a shell's job control, and with a reader that does not read: the session in a process of its own,
// the daemon's control server and console hub here. Its shell does what the test types: a letter for each thing.
#include "cli/console_session.hpp"
#include "control/run_directory.hpp"
#include "tests/fakes/console_target.hpp"
#include "tests/fakes/patience.hpp"
#include "vmm/control_server.hpp"

#include <gtest/gtest.h>

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include <filesystem>

namespace colinux {
namespace {

[[noreturn]] void be_the_user()
{
    int outcome = 99;
    eventually([] { return access(RunDirectory{}.socket_path("web").c_str(), F_OK) == 0; });
    try {
        StopSignals stop;
        ConsoleSession session{"web", stop};
        outcome = static_cast<int>(session.run());
    } catch (const Failure&) {
        // the exit status says it
    }
    _exit(outcome);
}

// A process group of the user's own, in the foreground or not, as a shell with job control makes it. What is asked for comes
// by `orders`: f(oreground and continue), s(top, SIGSTOP), t (SIGTSTP), and is answered by `answers`: a byte when it is so.
[[noreturn]] void be_the_shell(bool foreground, int orders, int answers)
{
    signal(SIGTTOU, SIG_IGN);
    pid_t user = fork();
    if (user == 0) {
        setpgid(0, 0);
        if (foreground)
            tcsetpgrp(STDIN_FILENO, getpid());
        signal(SIGTTOU, SIG_DFL);
        be_the_user();
    }
    setpgid(user, user);
    int status = 0;
    for (char order; read(orders, &order, 1) == 1;) {
        if (order == 'f') {
            tcsetpgrp(STDIN_FILENO, user);
            kill(-user, SIGCONT);
        } else {
            kill(-user, order == 's' ? SIGSTOP : SIGTSTP);
            waitpid(user, &status, WUNTRACED);
            tcsetpgrp(STDIN_FILENO, getpgrp());
        }
        if (write(answers, &order, 1) != 1)
            break;
    }
    kill(-user, SIGKILL);
    _exit(0);
}

class JobControlTest : public testing::Test {
protected:
    void start(bool foreground)
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_RUN_DIR", folder_.c_str(), 1);
        int orders[2], answers[2];
        ASSERT_EQ(pipe(orders) + pipe(answers), 0);
        shell_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
        if (shell_ == 0) {
            close(orders[1]);
            be_the_shell(foreground, orders[0], answers[1]);
        }
        close(orders[0]);
        close(answers[1]);
        orders_ = UniqueFd{orders[1]};
        answers_ = UniqueFd{answers[0]};
        hub_.start();
        server_ = std::make_unique<ControlServer>(RunDirectory{}.socket_path("web"), target_);
        server_->start();
    }
    ~JobControlTest() override
    {
        orders_.reset();
        waitpid(shell_, nullptr, 0);
        server_.reset();
        close(terminal_);
        std::filesystem::remove_all(folder_);
    }

    void order(char what)
    {
        char answer = 0;
        ASSERT_EQ(write(orders_.get(), &what, 1), 1);
        ASSERT_EQ(read(answers_.get(), &answer, 1), 1);
    }
    bool is_raw() const
    {
        termios now{};
        return tcgetattr(terminal_, &now) == 0 && !(now.c_lflag & ICANON);
    }
    void make_cooked() const
    {
        termios now{};
        tcgetattr(terminal_, &now);
        now.c_lflag |= ICANON | ECHO | ISIG;
        tcsetattr(terminal_, TCSANOW, &now);
    }
    void expect_shown(const std::string& text)
    {
        std::string shown;
        for (char byte; !shown.ends_with(text);) {
            ASSERT_TRUE(becomes_readable(terminal_)) << "shown: " << shown;
            ASSERT_EQ(read(terminal_, &byte, 1), 1);
            shown += byte;
        }
    }

    std::string folder_;
    int terminal_{-1};
    pid_t shell_{-1};
    UniqueFd orders_, answers_;
    EchoingGuest guest_;
    ConsoleHub hub_{guest_};
    HubTarget target_{hub_};
    std::unique_ptr<ControlServer> server_;
};

// Bug: after `fg` the terminal edited lines and made signals of keys.
TEST_F(JobControlTest, TerminalIsRawAgainAfterStopAndForeground)
{
    start(true);
    hub_.output("login: ");
    expect_shown("login: ");
    EXPECT_TRUE(is_raw());
    order('t');
    EXPECT_FALSE(is_raw()) << "the shell's turn";
    order('f');
    EXPECT_TRUE(eventually([this] { return is_raw(); }));
    order('s');
    make_cooked(); // the shell does
    order('f');
    EXPECT_TRUE(eventually([this] { return is_raw(); }));
    ASSERT_EQ(write(terminal_, "keys", 4), 4);
    expect_shown("KEYS");
}

// Bug: in the background, as `timeout colinux run` is, it was stopped when it took the terminal.
TEST_F(JobControlTest, InTheBackgroundItShowsTheConsoleAndLeavesTheTerminal)
{
    start(false);
    hub_.output("login: ");
    expect_shown("login: ");
    EXPECT_FALSE(is_raw());
    order('f');
    EXPECT_TRUE(eventually([this] { return is_raw(); }));
    ASSERT_EQ(write(terminal_, "keys", 4), 4);
    expect_shown("KEYS");
}

// Bug: while it waited in write() for a reader that had stopped reading, SIGTERM did nothing.
TEST(ConsoleSession, ReaderThatHasStoppedReadingDoesNotMakeItDeaf)
{
    char path[] = "/tmp/colinux-test-XXXXXX";
    std::string folder = mkdtemp(path);
    setenv("COLINUX_RUN_DIR", folder.c_str(), 1);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t user = fork();
    if (user == 0) {
        dup2(ends[1], STDOUT_FILENO);
        be_the_user();
    }
    EchoingGuest guest;
    ConsoleHub hub{guest};
    HubTarget target{hub};
    hub.start();
    ControlServer server{RunDirectory{}.socket_path("web"), target};
    server.start();
    hub.output(std::string(100'000, 'x')); // more than the pipe holds
    int waiting = 0;
    EXPECT_TRUE(eventually([&] { return ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting > 60'000; }));
    kill(user, SIGTERM);
    int status = -1;
    EXPECT_TRUE(eventually([&] { return waitpid(user, &status, WNOHANG) == user; }));
    EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(ConsoleSession::Outcome::Detached));
    kill(user, SIGKILL);
    close(ends[0]);
    close(ends[1]);
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace colinux
