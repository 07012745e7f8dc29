// SPDX-License-Identifier: GPL-2.0
// What is a hang and what is not.
#include "vmm/watchdog.hpp"

#include "tests/fakes/patience.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace colinux {
namespace {

using namespace std::chrono_literals;
using Look = HangJudge::Look;

constexpr Look kStart{5, 7, CO_SLEEP_NONE, 0ns, true};

// What changes at a CPU in each second
struct Second {
    std::uint64_t progress, stalls;
    unsigned sleep;
    std::chrono::nanoseconds cpu_time;
    bool runnable;
};
constexpr Second kSpins{0, 30, CO_SLEEP_NONE, 1s, true}, kWaitsForLock{0, 0, CO_SLEEP_LOCK_WAIT, 0ns, false};
constexpr Second kRuns{300, 1000, CO_SLEEP_NONE, 1s, true}, kIdles{0, 0, CO_SLEEP_IDLE, 0ns, false};
constexpr Second kOffline{0, 0, CO_SLEEP_STOPPED, 0ns, false};
constexpr Second kGetsNoCpu{0, 0, CO_SLEEP_NONE, 0ns, true}, kWokenButGetsNoCpu{0, 0, CO_SLEEP_LOCK_WAIT, 0ns, true};
constexpr Second kWaitsForItsDaemon{0, 0, CO_SLEEP_NONE, 0ns, false};
constexpr Second kRunsUndisturbed{0, 0, CO_SLEEP_NONE, 1s, true}; // no tick, no call: as with nohz_full

// One look per second: after how many seconds the first of these CPUs hangs, with a limit of ten; 0: never
int hang_after(const std::vector<Second>& cpus)
{
    HangJudge judge{10s};
    std::vector<Look> looks(cpus.size(), kStart);
    for (int second = 0; second < 100; second++) {
        for (std::size_t cpu = 0; cpu < cpus.size(); cpu++) {
            looks[cpu].sleep = cpus[cpu].sleep;
            looks[cpu].runnable = cpus[cpu].runnable;
        }
        if (judge.judge(looks, 1s)[0])
            return second;
        for (std::size_t cpu = 0; cpu < cpus.size(); cpu++) {
            looks[cpu].progress += cpus[cpu].progress;
            looks[cpu].stalls += cpus[cpu].stalls;
            looks[cpu].cpu_time += cpus[cpu].cpu_time;
        }
    }
    return 0;
}

TEST(HangJudge, SpinningWithInterruptsOffIsAHang) { EXPECT_EQ(hang_after({kSpins, kRuns}), 10); }
TEST(HangJudge, WaitingForALockForEverIsAHang) { EXPECT_EQ(hang_after({kWaitsForLock, kIdles}), 10); }
TEST(HangJudge, WaitingForALockOfOneThatSpinsIsAHang) { EXPECT_EQ(hang_after({kWaitsForLock, kSpins}), 10); }
TEST(HangJudge, AnyProgressIsNone) { EXPECT_EQ(hang_after({{1, 1000, CO_SLEEP_NONE, 1s, true}}), 0); }
TEST(HangJudge, IdleForEverIsNone) { EXPECT_EQ(hang_after({kIdles}), 0); }
TEST(HangJudge, ACpuThatIsOfflineIsNone) { EXPECT_EQ(hang_after({kOffline}), 0); }
TEST(HangJudge, ACpuThatTheHostDoesNotLetRunIsNone) { EXPECT_EQ(hang_after({kGetsNoCpu}), 0); }
TEST(HangJudge, ACpuThatNobodyDisturbsIsNone) { EXPECT_EQ(hang_after({kRunsUndisturbed}), 0); }

TEST(HangJudge, SpinningCountsAsTheHostLetsItRun)
{
    EXPECT_EQ(hang_after({{0, 30, CO_SLEEP_NONE, 250ms, true}}), 40) << "a quarter of a CPU";
}

// The holder of the lock may be the one that the host does not let run.
TEST(HangJudge, NoneHangsWhileTheHostHoldsAnotherUp)
{
    EXPECT_EQ(hang_after({kWaitsForLock, kGetsNoCpu}), 0);
    EXPECT_EQ(hang_after({kWaitsForLock, kWokenButGetsNoCpu}), 0);
    EXPECT_EQ(hang_after({kWaitsForLock, kWaitsForItsDaemon}), 0);
    EXPECT_EQ(hang_after({kSpins, kGetsNoCpu}), 0);
    EXPECT_EQ(hang_after({kWokenButGetsNoCpu, kIdles}), 0);
}

TEST(HangJudge, ProgressStartsTheTimeAnew)
{
    HangJudge judge{10s};
    auto hangs = [&](std::uint64_t progress, std::uint64_t stalls) -> bool {
        return judge.judge({{progress, stalls, CO_SLEEP_NONE, stalls * 9s, true}}, 9s)[0];
    };
    EXPECT_FALSE(hangs(1, 1));
    EXPECT_FALSE(hangs(1, 2));
    EXPECT_FALSE(hangs(2, 3));
    EXPECT_FALSE(hangs(2, 4));
    EXPECT_TRUE(hangs(2, 5));
}

TEST(Watchdog, TellsOnceWhichCpuHangs)
{
    std::atomic<std::uint64_t> looks{};
    std::atomic<int> told{}, cpu{-1};
    Watchdog watchdog{200ms,
                      [&] {
                          std::uint64_t now = ++looks;
                          return Watchdog::Looks{{{now, 0, CO_SLEEP_NONE, now * 1s, true}, {3, now, CO_SLEEP_NONE, now * 1s, true}}};
                      },
                      [&](unsigned number) {
                          told++;
                          cpu = static_cast<int>(number);
                      }};
    EXPECT_TRUE(eventually([&] { return told > 0; }));
    std::uint64_t then = looks;
    EXPECT_TRUE(eventually([&] { return looks > then + 10; }));
    EXPECT_EQ(cpu, 1);
    EXPECT_EQ(told, 1);
}

// Who asks for a report makes the guest stand still, and the watchdog begins to count anew.
TEST(Watchdog, OneHangThatIsLookedAtMeanwhileIsToldOnce)
{
    std::atomic<std::uint64_t> looks{};
    std::atomic<int> told{}, still{};
    Watchdog watchdog{200ms,
                      [&]() -> Watchdog::Looks {
                          std::uint64_t now = ++looks;
                          if (told > 0 && still == 0) {
                              still = 1;
                              return std::nullopt;
                          }
                          return {{{3, now, CO_SLEEP_NONE, now * 1s, true}}};
                      },
                      [&](unsigned) { told++; }};
    EXPECT_TRUE(eventually([&] { return still > 0; }));
    std::uint64_t then = looks;
    EXPECT_TRUE(eventually([&] { return looks > then + 20; }));
    EXPECT_EQ(told, 1);
}

TEST(Watchdog, DoesNotJudgeAGuestThatIsMadeToStandStill)
{
    std::atomic<std::uint64_t> looks{}, told{};
    Watchdog watchdog{100ms,
                      [&]() -> Watchdog::Looks {
                          std::uint64_t now = ++looks; // its lock wait is never seen twice in a row
                          if (now % 2)
                              return std::nullopt;
                          return {{{3, 0, CO_SLEEP_LOCK_WAIT, 0ns, false}}};
                      },
                      [&](unsigned) { told++; }};
    EXPECT_TRUE(eventually([&] { return looks >= 20; }));
    EXPECT_EQ(told, 0u);
}

} // namespace
} // namespace colinux
