// SPDX-License-Identifier: GPL-2.0
#include "vmm/termination.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace colinux {

namespace {

constexpr itimerspec kGrace{{0, 0}, {kStopPatience.count(), 0}}; // seconds, nanoseconds
constexpr std::chrono::seconds kOneRequest{1};

} // namespace

Termination::Termination()
{
    sigset_t mine;
    sigemptyset(&mine);
    for (int signal : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&mine, signal);
    sigprocmask(SIG_BLOCK, &mine, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = UniqueFd{signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK)};
    grace_ = UniqueFd{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    loop_.watch(signals_.get(), POLLIN, [this] { signalled(); });
    loop_.watch(grace_.get(), POLLIN, [this] {
        std::uint64_t expirations;
        if (read(grace_.get(), &expirations, sizeof expirations) > 0)
            end_guest(true);
    });
    loop_.start();
}

Termination::~Termination() { loop_.stop(); }

void Termination::while_starting(std::function<void()> abandon, int report)
{
    {
        std::lock_guard lock{mutex_};
        abandon_ = std::move(abandon);
        if (abandon_ && came_early_)
            abandon_();
    }
    watch_starter(report);
}

// The reading end of a pipe goes with the last process that had it.
void Termination::watch_starter(int report)
{
    loop_.call([this, report] {
        if (report_ >= 0)
            loop_.unwatch(report_);
        report_ = report;
        if (report >= 0)
            loop_.watch(report, 0, [this] { end_guest(true); });
    });
}

void Termination::while_running(ControlTarget& target)
{
    watch_starter(-1);
    std::lock_guard lock{mutex_};
    abandon_ = nullptr;
    target_ = &target;
}

void Termination::ended()
{
    std::lock_guard lock{mutex_};
    target_ = nullptr;
}

void Termination::signalled()
{
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof info) != sizeof info || info.ssi_signo == SIGHUP)
        return;
    bool again = asked_ && std::chrono::steady_clock::now() - *asked_ > kOneRequest;
    if (asked_ && !again && info.ssi_signo != SIGINT)
        return;
    end_guest(info.ssi_signo == SIGINT || again);
}

void Termination::end_guest(bool at_once)
{
    std::lock_guard lock{mutex_};
    if (abandon_)
        abandon_();
    came_early_ = true; // nobody is there yet, or any more
    if (!target_)
        return;
    if (at_once)
        return target_->kill();
    asked_ = std::chrono::steady_clock::now();
    timerfd_settime(grace_.get(), 0, &kGrace, nullptr);
    target_->stop(kStopPatience);
}

} // namespace colinux
