// SPDX-License-Identifier: GPL-2.0
// Vcpu: taken off its CPU by a preemption NMI, with the guest's interrupts off; and who waits for it.
#include "tests/unit/core/core_test.hpp"

#include "core/cpu_watch.hpp"

namespace colinux {

namespace {

class VcpuPreemptTest : public CoreTest {
protected:
    TestGuest guest{2};
    ScriptedGuest script;

    // The host takes its CPU back by an NMI, the guest's interrupts are off
    static void is_preempted(co_passage& page)
    {
        CpuWatch::set_limit(0);
        CpuWatch::check(0); // kicks
        CpuWatch::check(0); // sends the NMI
        CpuWatch::set_limit(6'000'000);
        ScriptedGuest::leave(page, CO_CALL_NMI);
    }
    // Starts vCPU 1
    void begin_other()
    {
        script.calls(CO_CALL_CPU_START, {1, guest.entry().rip, guest.entry().rsp, guest.entry().cr3});
        script.calls(CO_CALL_DEVICE);
        guest.run(0);
    }
    static unsigned yields() { return host().count("yield") + host().count("yield_eagerly"); }
};

// A guest that spun with its interrupts off was re-entered after each preemption NMI, since nobody on the host had asked for
// the CPU: the interrupts that would have asked could not come.
TEST_F(VcpuPreemptTest, HostsInterruptsHaveTheirTurnAfterAPreemptionNmi)
{
    unsigned before = 0, after = 0;
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([&](co_passage& page) {
        before = host().count("interrupts_on");
        is_preempted(page);
    });
    script.then([&](co_passage& page) {
        after = host().count("interrupts_on");
        ScriptedGuest::leave(page, CO_CALL_DEVICE);
    });
    guest.run();
    EXPECT_GT(after, before);
}

// Bug: a vCPU was preempted in the write side of timekeeping's seqcount, and others, let in on its CPU and running on all the
// rest, spun in ktime_get() with their interrupts off for ever: no CPU was left whose timer could take one back.
TEST_F(VcpuPreemptTest, PreemptedVcpuIsEnteredBeforeAnyThreadOfTheHost)
{
    unsigned before = 0, first = 0, second = 0;
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([&](co_passage& page) {
        before = yields();
        is_preempted(page);
    });
    script.then([&](co_passage& page) {
        first = yields();
        is_preempted(page);
    });
    script.then([&](co_passage& page) {
        second = yields();
        ScriptedGuest::leave(page, CO_CALL_DEVICE);
    });
    guest.run();
    EXPECT_EQ(first - before, 0u);
    EXPECT_EQ(second - first, 1u) << "it spins itself: the host gets its CPU";
}

TEST_F(VcpuPreemptTest, NoOtherVcpuBeginsUntilAPreemptedOneWentOn)
{
    begin_other();
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([](co_passage& page) {
        is_preempted(page);
        host().must_return = true; // the host may do with the thread what it likes
    });
    EXPECT_EQ(guest.run(0), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    host().must_return = false;
    unsigned waits = 0;
    host().on_yield = [&] { host().must_return = ++waits == 10; };
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED)) << "and it can be interrupted there";
    EXPECT_EQ(waits, 10u);
    host().must_return = false;
    script.calls(CO_CALL_DEVICE);
    EXPECT_EQ(guest.run(0), static_cast<unsigned>(CO_EXIT_DEVICE));
    script.calls(CO_CALL_DEVICE);
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(waits, 10u) << "at once";
}

TEST_F(VcpuPreemptTest, OtherVcpusWaitForAPreemptedOneOnlySoLong)
{
    begin_other();
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([](co_passage& page) {
        is_preempted(page);
        host().must_return = true;
    });
    guest.run(0);
    host().must_return = false;
    host().on_yield = [] { FakeCpu::tsc += 1'000'000; };
    script.calls(CO_CALL_DEVICE);
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_DEVICE));
}

TEST_F(VcpuPreemptTest, VcpuThatIsPreemptedAgainAndAgainKeepsNobodyWaiting)
{
    begin_other();
    script.calls(CO_CALL_NMI_READY, {1});
    for (unsigned i = 1; i <= 5; ++i) {
        script.then([=](co_passage& page) {
            is_preempted(page);
            host().must_return = i == 5;
        });
    }
    guest.run(0);
    host().must_return = false;
    unsigned waits = 0;
    host().on_yield = [&] { ++waits; };
    script.calls(CO_CALL_DEVICE);
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(waits, 0u);
}

TEST_F(VcpuPreemptTest, PreemptionNmiLetsTheHostRunDespiteInterruptsOff)
{
    unsigned before = yields(), after = 0;
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([](co_passage& page) {
        FakeCpu::tsc += 100'000'000;
        host().must_yield = true;
        co_core_watch_cpu(0);
        co_core_watch_cpu(0);
        ScriptedGuest::leave(page, CO_CALL_NMI);
    });
    script.then([](co_passage& page) { is_preempted(page); });
    script.then([&](co_passage& page) {
        after = yields();
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
    EXPECT_EQ(host().count("send_nmi"), 2u);
    EXPECT_EQ(after - before, 1u);
    EXPECT_EQ(guest.stats().preemption_nmis, 2u);
    EXPECT_EQ(TestGuest{}.stats().preemption_nmis, 0u) << "each guest's own";
}

} // namespace

} // namespace colinux
