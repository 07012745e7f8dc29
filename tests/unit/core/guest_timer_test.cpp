// SPDX-License-Identifier: GPL-2.0
// GuestTimer: what a guest must call for, and what it need not. One tick of the TSC is a nanosecond here.
#include "core/guest_timer.hpp"

#include "tests/unit/core/core_test.hpp"

namespace colinux {
namespace {

constexpr std::uint64_t kMs = 1'000'000, kSlack = 5000, kNear = 200;

class GuestTimerTest : public CoreTest {
protected:
    GuestTimerTest()
    {
        page.timer_slack = kSlack;
        EXPECT_TRUE(timer.create(page, 1ull << 32, expired, this));
    }
    static CO_ABI void expired(void* test) { static_cast<GuestTimerTest*>(test)->timer.expired(); }

    const co_os_timer& host_timer() { return *host().timers.at(0); }
    // As the graft does; true when it must call.
    bool wants(std::uint64_t deadline)
    {
        page.timer_deadline = deadline;
        return page.timer_armed == 0 || page.timer_armed > deadline + page.timer_slack;
    }
    void expires_at(std::uint64_t tsc)
    {
        FakeCpu::tsc = tsc;
        host().fire_timers();
    }
    void ticks_at(std::uint64_t deadline) // the guest is called for, and the interrupt comes
    {
        wants(deadline);
        InterruptsOff off;
        EXPECT_FALSE(timer.set(off, deadline));
        expires_at(deadline + 100);
        timer.host_ran(off);
    }

    co_passage page{};
    GuestTimer timer;
};

TEST_F(GuestTimerTest, WhatWasSetIsArmedAndTold)
{
    InterruptsOff off;
    std::uint64_t deadline = FakeCpu::tsc + 3 * kMs;
    EXPECT_TRUE(wants(deadline));
    EXPECT_FALSE(timer.set(off, deadline));
    EXPECT_NEAR(host_timer().delay_ns, 3 * kMs, kNear);
    EXPECT_EQ(page.timer_armed, deadline);
}

TEST_F(GuestTimerTest, LaterDeadlineNeedsNoCallAnEarlierOneDoes)
{
    InterruptsOff off;
    std::uint64_t deadline = FakeCpu::tsc + 3 * kMs;
    wants(deadline);
    EXPECT_FALSE(timer.set(off, deadline));
    EXPECT_FALSE(wants(deadline + kMs));
    EXPECT_FALSE(wants(deadline - kSlack));
    EXPECT_TRUE(wants(deadline - kSlack - 1));
}

TEST_F(GuestTimerTest, NextTickIsExpected)
{
    std::uint64_t first = FakeCpu::tsc + 4 * kMs;
    ticks_at(first);
    ticks_at(first + 4 * kMs);
    EXPECT_EQ(page.timer_deadline, 0u);
    EXPECT_TRUE(host_timer().armed);
    EXPECT_FALSE(wants(first + 8 * kMs));
    EXPECT_FALSE(wants(first + 8 * kMs + 300)) << "it read its clock a little later";
    EXPECT_FALSE(wants(first + 8 * kMs - 300));
}

// Another CPU's callback came late: the guest has taken its interrupt already, and the deadline after it has passed, too.
TEST_F(GuestTimerTest, DeadlineThatPassedBeforeItsOwnTimerExpiredIsNotLost)
{
    std::uint64_t first = FakeCpu::tsc + 4 * kMs;
    ticks_at(first);
    timer.expired();
    wants(first + 4 * kMs);
    FakeCpu::tsc = first + 4 * kMs + 100;
    page.pending = 0;
    InterruptsOff off;
    timer.host_ran(off);
    EXPECT_EQ(page.pending, co_u64{1} << CO_PENDING_TIMER);
}

TEST_F(GuestTimerTest, DeadlinesFarApartAreNoTick)
{
    std::uint64_t first = FakeCpu::tsc + 4 * kMs;
    ticks_at(first);
    ticks_at(first + 21 * kMs);
    EXPECT_FALSE(host_timer().armed);
    EXPECT_TRUE(wants(first + 42 * kMs));
}

TEST_F(GuestTimerTest, TimerThatExpiredTooEarlyIsArmedForWhatIsWanted)
{
    InterruptsOff off;
    std::uint64_t deadline = FakeCpu::tsc + 3 * kMs;
    EXPECT_FALSE(timer.set(off, deadline));
    EXPECT_FALSE(wants(deadline + 5 * kMs));
    expires_at(deadline);
    timer.host_ran(off);
    EXPECT_NEAR(host_timer().delay_ns, 5 * kMs, kNear);
    EXPECT_EQ(page.timer_armed, deadline + 5 * kMs);
    EXPECT_EQ(page.timer_deadline, deadline + 5 * kMs) << "it has not come";
}

TEST_F(GuestTimerTest, TimerThatExpiredMakesTheGuestCall)
{
    InterruptsOff off;
    EXPECT_FALSE(timer.set(off, FakeCpu::tsc + 3 * kMs));
    expires_at(FakeCpu::tsc + 3 * kMs);
    EXPECT_TRUE(wants(FakeCpu::tsc + 5 * kMs));
}

TEST_F(GuestTimerTest, SleepingGuestIsWokenExactlyWhenItWants)
{
    InterruptsOff off;
    std::uint64_t deadline = FakeCpu::tsc + 2 * kMs;
    EXPECT_FALSE(timer.set(off, deadline));
    EXPECT_FALSE(wants(deadline + 100 * kMs));
    EXPECT_FALSE(timer.guest_sleeps(off));
    EXPECT_NEAR(host_timer().delay_ns, 102 * kMs, kNear);
}

TEST_F(GuestTimerTest, SleepingGuestThatWantsNothingIsNotWoken)
{
    InterruptsOff off;
    EXPECT_FALSE(timer.set(off, FakeCpu::tsc + 2 * kMs));
    page.timer_deadline = 0;
    EXPECT_FALSE(timer.guest_sleeps(off));
    EXPECT_FALSE(host_timer().armed);
    EXPECT_EQ(page.timer_armed, 0u);
}

TEST_F(GuestTimerTest, SleepingGuestWhoseDeadlineHasPassedIsWokenAtOnce)
{
    InterruptsOff off;
    page.timer_deadline = FakeCpu::tsc - 1;
    EXPECT_TRUE(timer.guest_sleeps(off));
}

TEST_F(GuestTimerTest, GuestThatWokeNeedsNoCallForItsTick)
{
    InterruptsOff off;
    wants(FakeCpu::tsc + 100 * kMs);
    EXPECT_FALSE(timer.guest_sleeps(off));
    timer.guest_woke(off);
    EXPECT_FALSE(wants(FakeCpu::tsc + 3 * kMs));
    EXPECT_TRUE(wants(FakeCpu::tsc + kMs / 2));
}

TEST_F(GuestTimerTest, GuestThatWokeCloseToItsDeadlineKeepsIt)
{
    InterruptsOff off;
    std::uint64_t deadline = FakeCpu::tsc + kMs / 2;
    wants(deadline);
    EXPECT_FALSE(timer.guest_sleeps(off));
    timer.guest_woke(off);
    EXPECT_EQ(page.timer_armed, deadline);
}

TEST_F(GuestTimerTest, GuestThatCallsForEachDeadlineIsLeftAlone)
{
    InterruptsOff off;
    page.timer_slack = 0;
    page.timer_deadline = FakeCpu::tsc + 7 * kMs;
    EXPECT_FALSE(timer.set(off, FakeCpu::tsc + 3 * kMs));
    EXPECT_FALSE(timer.guest_sleeps(off));
    timer.guest_woke(off);
    expires_at(FakeCpu::tsc + 3 * kMs);
    timer.host_ran(off);
    EXPECT_EQ(host().count("timer_start"), 1u);
}

TEST_F(GuestTimerTest, WhateverTheGuestWritesIsOnlyATime)
{
    InterruptsOff off;
    for (co_u64 value : {co_u64{1}, ~co_u64{0}, co_u64{1} << 63, co_u64{FakeCpu::tsc}}) {
        page.timer_deadline = page.timer_armed = value;
        page.timer_slack = ~value | 1;
        (void)timer.guest_sleeps(off);
        timer.expired();
        timer.host_ran(off);
        timer.guest_woke(off);
        EXPECT_LE(host_timer().delay_ns, 1ull << 60);
    }
}

} // namespace
} // namespace colinux
