// SPDX-License-Identifier: GPL-2.0
// CpuWatch: who gets an NMI, and when.
#include "tests/unit/core/core_test.hpp"

#include "core/cpu_watch.hpp"
#include "core/interrupts_off.hpp"

namespace colinux {

namespace {

class CpuWatchTest : public CoreTest {
protected:
    static constexpr unsigned kCpu = 3;
    CpuWatchTest() { CpuWatch::set_limit(5000); }
    ~CpuWatchTest() override { CpuWatch::leave(kCpu); }
};

// Bug: the first look that found a stay overdue sent the NMI. Where CPUs stand still for longer than that, in a busy cloud or
// emulator, it took healthy guests off with their locks held.
TEST_F(CpuWatchTest, OverdueStayIsKickedFirst)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 6000;
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("kick_cpu"), 1u);
    EXPECT_EQ(host().history.back().a, kCpu);
    EXPECT_EQ(host().count("send_nmi"), 0u);
    EXPECT_FALSE(CpuWatch::was_preempted(kCpu));
}

TEST_F(CpuWatchTest, StayThatOutlivesItsKickGetsAnNmiInEachPeriod)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 6000;
    for (unsigned period = 0; period < 4; ++period)
        co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("kick_cpu"), 1u);
    EXPECT_EQ(host().count("send_nmi"), 3u);
    EXPECT_EQ(host().history.back().a, kCpu);
    EXPECT_TRUE(CpuWatch::was_preempted(kCpu));
    EXPECT_FALSE(CpuWatch::was_preempted(kCpu));
}

TEST_F(CpuWatchTest, EachStayIsKickedBeforeItGetsAnNmi)
{
    for (unsigned stay = 0; stay < 5; ++stay) {
        CpuWatch::enter(kCpu, true);
        FakeCpu::tsc += 6000;
        co_core_watch_cpu(kCpu);
        CpuWatch::leave(kCpu);
    }
    EXPECT_EQ(host().count("kick_cpu"), 5u);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, NmiThatCameTooLateIsNotForTheNextStay)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 6000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    CpuWatch::leave(kCpu);
    CpuWatch::enter(kCpu, true);
    EXPECT_FALSE(CpuWatch::was_preempted(kCpu));
}

// Bug: a guest that was entered while the watch looked had been there for ever: now - later is a large number.
TEST_F(CpuWatchTest, StayThatBeganAfterTheClockWasReadIsNotOverdue)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc -= 1000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("kick_cpu"), 0u);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, ShortStayIsLeftAlone)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 1000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("kick_cpu"), 0u);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, GuestThatCannotTakeAnNmiGetsNone)
{
    CpuWatch::enter(kCpu, false);
    FakeCpu::tsc += 1'000'000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, CpuOutsideAGuestGetsNone)
{
    CpuWatch::enter(kCpu, true);
    CpuWatch::leave(kCpu);
    FakeCpu::tsc += 1'000'000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("send_nmi"), 0u);
    EXPECT_FALSE(CpuWatch::was_preempted(kCpu));
}

TEST_F(CpuWatchTest, CpusBeyondTheTableAreNotWatched)
{
    CpuWatch::enter(5000, true);
    co_core_watch_cpu(5000);
    CpuWatch::leave(5000);
    EXPECT_FALSE(CpuWatch::was_preempted(5000));
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

} // namespace

} // namespace colinux
