// SPDX-License-Identifier: GPL-2.0
// Watchdog: notices a guest CPU that hangs: one that for so long has neither left the guest with its interrupts on nor gone
// idle. What it does instead is seen from outside (struct co_run): an NMI takes its CPU away again and again
// (core/cpu_watch.hpp), it calls and calls with its interrupts off, or it waits for a lock that nobody gives back.
//
// The time that counts is the guest's, not the host's. Of a CPU that spins, only what its thread really had of the host's
// CPUs counts. While any CPU of the guest is held up by the host (it wants to run and does not get to, or its thread is in
// user space), nothing counts: it may have the lock that the others want. All CPUs idle for ever is no hang.
#pragma once

#include <colinux/abi.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace colinux {

// Judges the CPUs of a guest by looking at them now and then.
class HangJudge {
public:
    struct Look {
        std::uint64_t progress, stalls;    // of struct co_run
        unsigned sleep;                    // likewise: CO_SLEEP_*
        std::chrono::nanoseconds cpu_time; // that its thread has had
        bool runnable;                     // its thread, by the host's scheduler: it runs, or waits for a CPU
    };

    explicit HangJudge(std::chrono::nanoseconds limit) : limit_{limit} {}

    // `passed`: since the last looks. For each CPU: has it hung for the limit?
    std::vector<bool> judge(const std::vector<Look>& now, std::chrono::nanoseconds passed);
    void forget() { before_.clear(); } // begin anew

private:
    std::chrono::nanoseconds limit_;
    std::vector<std::chrono::nanoseconds> stuck_;
    std::vector<Look> before_;
};

class Watchdog {
public:
    using Looks = std::optional<std::vector<HangJudge::Look>>; // of all CPUs; nothing: the guest is made to stand still
    // `look` and `hung` (with the number of the CPU, once until it goes on) are called on the watchdog's thread.
    Watchdog(std::chrono::milliseconds limit, std::function<Looks()> look, std::function<void(unsigned)> hung);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    void run();
    void look_once(std::chrono::nanoseconds passed);

    std::chrono::milliseconds interval_;
    std::function<Looks()> look_;
    std::function<void(unsigned)> hung_;
    HangJudge judge_;
    std::vector<std::optional<std::uint64_t>> told_; // the progress at which its hang was: that one, no other
    std::mutex mutex_; // guards stopping_
    std::condition_variable stop_;
    bool stopping_{};
    std::thread thread_; // last: it uses all of the above
};

} // namespace colinux
