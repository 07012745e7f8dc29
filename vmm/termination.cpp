// SPDX-License-Identifier: GPL-2.0
#include "vmm/termination.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace colinux {

namespace {

constexpr itimerspec kGrace{{0, 0}, {10, 0}}; // seconds, nanoseconds

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

void Termination::while_starting(std::function<void()> abandon)
{
    std::lock_guard lock{mutex_};
    abandon_ = std::move(abandon);
}

void Termination::while_running(ControlTarget& target)
{
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
    end_guest(info.ssi_signo == SIGINT || asked_);
}

void Termination::end_guest(bool at_once)
{
    std::lock_guard lock{mutex_};
    if (abandon_)
        abandon_();
    if (!target_)
        return;
    if (at_once)
        return target_->kill();
    asked_ = true;
    timerfd_settime(grace_.get(), 0, &kGrace, nullptr);
    target_->stop();
}

} // namespace colinux
