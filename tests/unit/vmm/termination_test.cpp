// SPDX-License-Identifier: GPL-2.0
// Termination in a process of its own, which the test signals.
#include "vmm/termination.hpp"

#include "tests/fakes/patience.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace colinux {
namespace {

constexpr int kAbandoned = 3, kNothingCame = 4;

class CountingGuest final : public ControlTarget {
public:
    nlohmann::json status() override { return {}; }
    nlohmann::json stats() override { return {}; }
    nlohmann::json memory(std::optional<std::uint64_t>) override { return {}; }
    nlohmann::json report() override { return {}; }
    void dump(int, const DumpProgress&) override {}
    void stop(std::chrono::seconds) override { stops++; }
    void kill() override { kills++; }
    std::string logs() override { return ""; }
    void follow_logs(UniqueFd, std::uint64_t) override {}
    void resize(std::uint16_t, std::uint16_t) override {}
    void attach_console(UniqueFd, const std::string&) override {}
    void connect_port(UniqueFd&, std::uint32_t, const std::string&) override {}

    std::atomic<int> stops{}, kills{};
};

[[noreturn]] void wait_to_be_abandoned()
{
    eventually([] { return false; });
    _exit(kNothingCame);
}

int status_of(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

template <typename Body>
pid_t in_child(Body body)
{
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(kNothingCame);
    }
    return pid;
}

void abandon() { _exit(kAbandoned); }

TEST(Termination, SignalWhileStartingAbandons)
{
    EXPECT_EQ(status_of(in_child([] {
                  Termination termination;
                  termination.while_starting(abandon);
                  kill(getpid(), SIGINT);
                  wait_to_be_abandoned();
              })),
              kAbandoned);
}

// Bug: a signal before there was anything to abandon was taken and forgotten; the guest started.
TEST(Termination, SignalBeforeThatIsNotForgotten)
{
    EXPECT_EQ(status_of(in_child([] {
                  Termination termination;
                  kill(getpid(), SIGTERM);
                  sigset_t pending{};
                  eventually([&] { return sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM); });
                  termination.while_starting(abandon);
                  wait_to_be_abandoned();
              })),
              kAbandoned);
}

// Bug: a `colinux run` that was killed while its guest started left a guest that nobody knew of.
TEST(Termination, StarterThatIsGoneAbandons)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t pid = in_child([&] {
        close(ends[0]);
        Termination termination;
        termination.while_starting(abandon, ends[1]);
        wait_to_be_abandoned();
    });
    close(ends[0]);
    EXPECT_EQ(status_of(pid), kAbandoned);
    close(ends[1]);
}

TEST(Termination, StarterMayGoWhenTheGuestRuns)
{
    EXPECT_EQ(status_of(in_child([] {
                  int ends[2];
                  CountingGuest guest;
                  Termination termination;
                  if (pipe(ends) != 0)
                      _exit(99);
                  termination.while_starting(abandon, ends[1]);
                  termination.while_running(guest);
                  close(ends[0]);
                  kill(getpid(), SIGINT);
                  _exit(eventually([&] { return guest.kills == 1; }) && guest.stops == 0 ? 0 : 1);
              })),
              0);
}

// Bug: a service manager tells the daemon and `colinux run`, which tells the daemon: the guest was killed at once.
TEST(Termination, TwoAtATimeAreOneRequest)
{
    EXPECT_EQ(status_of(in_child([] {
                  CountingGuest guest;
                  Termination termination;
                  termination.while_running(guest);
                  kill(getpid(), SIGTERM);
                  eventually([&] { return guest.stops == 1; });
                  kill(getpid(), SIGTERM);
                  sigset_t pending{};
                  eventually([&] { return sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM); });
                  termination.ended(); // waits for what the signal does
                  _exit(guest.stops == 1 && guest.kills == 0 ? 0 : 1);
              })),
              0);
}

} // namespace
} // namespace colinux
