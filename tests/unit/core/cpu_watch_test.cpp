// SPDX-License-Identifier: GPL-2.0
// CpuWatch: who gets an NMI, and when.
#include "tests/unit/core/core_test.hpp"

#include "core/cpu_watch.hpp"

namespace colinux {

namespace {

class CpuWatchTest : public CoreTest {
protected:
    static constexpr unsigned kCpu = 3;
    CpuWatchTest() { CpuWatch::set_limit(5000); }
    ~CpuWatchTest() override { CpuWatch::leave(kCpu); }
};

TEST_F(CpuWatchTest, GuestThatStaysTooLongGetsAnNmiEachTime)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 6000;
    co_core_watch_cpu(kCpu);
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("send_nmi"), 2u);
    EXPECT_EQ(host().history.back().a, kCpu);
    EXPECT_TRUE(CpuWatch::was_preempted(kCpu));
    EXPECT_FALSE(CpuWatch::was_preempted(kCpu));
}

TEST_F(CpuWatchTest, ShortStayIsLeftAlone)
{
    CpuWatch::enter(kCpu, true);
    FakeCpu::tsc += 1000;
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, GuestThatCannotTakeAnNmiGetsNone)
{
    CpuWatch::enter(kCpu, false);
    FakeCpu::tsc += 1'000'000;
    co_core_watch_cpu(kCpu);
    EXPECT_EQ(host().count("send_nmi"), 0u);
}

TEST_F(CpuWatchTest, CpuOutsideAGuestGetsNone)
{
    CpuWatch::enter(kCpu, true);
    CpuWatch::leave(kCpu);
    FakeCpu::tsc += 1'000'000;
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
