// SPDX-License-Identifier: GPL-2.0
#include "vmm/watchdog.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace colinux {

using namespace std::chrono_literals;

namespace {

constexpr int kLooksPerLimit = 8;

bool at_rest(const HangJudge::Look& look) { return look.sleep == CO_SLEEP_IDLE || look.sleep == CO_SLEEP_STOPPED; }

// One that was woken has `sleep` as before until it is in the guest again: only the scheduler knows of it.
bool held_up_by_host(const HangJudge::Look& before, const HangJudge::Look& now)
{
    return (now.runnable || now.sleep == CO_SLEEP_NONE) && now.cpu_time == before.cpu_time;
}

} // namespace

std::vector<bool> HangJudge::judge(const std::vector<Look>& now, std::chrono::nanoseconds passed)
{
    if (before_.size() != now.size()) {
        before_ = now;
        stuck_.assign(now.size(), 0ns);
        return std::vector<bool>(now.size());
    }
    bool counts = true;
    for (std::size_t cpu = 0; cpu < now.size(); cpu++)
        counts &= !held_up_by_host(before_[cpu], now[cpu]);
    std::vector<bool> hangs;
    for (std::size_t cpu = 0; cpu < now.size(); cpu++) {
        const Look &before = before_[cpu], &look = now[cpu];
        if (at_rest(look) || look.progress != before.progress)
            stuck_[cpu] = 0ns;
        else if (counts && look.sleep == CO_SLEEP_LOCK_WAIT)
            stuck_[cpu] += passed;
        else if (counts && look.stalls != before.stalls)
            stuck_[cpu] += std::min(passed, look.cpu_time - before.cpu_time);
        hangs.push_back(stuck_[cpu] >= limit_);
    }
    before_ = now;
    return hangs;
}

Watchdog::Watchdog(std::chrono::milliseconds limit, std::function<Looks()> look, std::function<void(unsigned)> hung)
    : interval_{std::clamp(limit / kLooksPerLimit, 50ms, 1000ms)}, look_{std::move(look)}, hung_{std::move(hung)}, judge_{limit}
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); // blocked, a refused system call would end the daemon
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread{[this] {
        pthread_setname_np(pthread_self(), "watchdog"); // of another thread it would take a file
        run();
    }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog()
{
    {
        std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
}

void Watchdog::run()
{
    auto last = std::chrono::steady_clock::now();
    for (std::unique_lock lock{mutex_}; !stop_.wait_for(lock, interval_, [this] { return stopping_; });) {
        auto now = std::chrono::steady_clock::now();
        std::chrono::nanoseconds passed = now - last;
        last = now;
        lock.unlock();
        look_once(std::min<std::chrono::nanoseconds>(passed, 2 * interval_)); // more: we did not run ourselves
        lock.lock();
    }
}

void Watchdog::look_once(std::chrono::nanoseconds passed)
{
    Looks looks = look_();
    if (!looks)
        return judge_.forget();
    std::vector<bool> hangs = judge_.judge(*looks, passed);
    told_.resize(hangs.size());
    for (unsigned cpu = 0; cpu < hangs.size(); cpu++) {
        if (!hangs[cpu] || told_[cpu] == (*looks)[cpu].progress)
            continue;
        told_[cpu] = (*looks)[cpu].progress;
        hung_(cpu);
    }
}

} // namespace colinux
