// SPDX-License-Identifier: GPL-2.0
// Vcpu: taken off its CPU by a preemption NMI with the guest's interrupts off; and who waits for it.
#include "core/cpu_watch.hpp"
#include "tests/unit/core/core_test.hpp"

namespace colinux {

namespace {

class VcpuPreemptTest : public CoreTest {
protected:
    TestGuest guest{2};
    ScriptedGuest script;

    // The guest was found there with its interrupts off, kicked, found again
    static void is_preempted(co_passage& page, co_u32 flags = 0)
    {
        FakeCpu::tsc += 10'000'000;
        co_core_watch_cpu(0);
        co_core_watch_cpu(0); // sends the NMI
        ScriptedGuest::leave(page, CO_CALL_NMI, {}, flags);
    }
    // Starts vCPU 1, and makes vCPU 0 ready for NMIs
    void begin_both()
    {
        script.calls(CO_CALL_CPU_START, {1, guest.entry().rip, guest.entry().rsp, guest.entry().cr3});
        script.calls(CO_CALL_NMI_READY, {1});
        script.calls(CO_CALL_DEVICE);
        guest.run(0);
    }
    // vCPU 0 is taken off, `times` one after the other; after the last the host does with its thread what it likes
    void begin_and_preempt(unsigned times, co_u32 flags = 0)
    {
        begin_both();
        for (unsigned i = 1; i <= times; ++i) {
            script.then([=](co_passage& page) {
                is_preempted(page, flags);
                host().must_return = i == times;
            });
        }
        EXPECT_EQ(guest.run(0), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
        host().must_return = false;
    }
    unsigned run_to_device(unsigned vcpu)
    {
        script.calls(CO_CALL_DEVICE);
        return guest.run(vcpu);
    }
    static unsigned pauses() { return host().count("pause"); }
    static unsigned yields() { return host().count("yield") + host().count("yield_eagerly"); }
};

// Bug: a vCPU was taken off in the write side of timekeeping's seqcount. Others, let in on its CPU and running on all the
// rest, spun in ktime_get() with their interrupts off: no CPU was left whose timer could take one off, and the host stood still.
TEST_F(VcpuPreemptTest, OneIsLetInAgainBeforeAnyThreadOfTheHost)
{
    begin_both();
    unsigned yields_before = 0, interrupts_before = 0;
    script.then([&](co_passage& page) {
        yields_before = yields();
        interrupts_before = host().count("interrupts_on");
        is_preempted(page);
    });
    script.then([&](co_passage& page) {
        EXPECT_EQ(yields(), yields_before);
        EXPECT_EQ(pauses(), 0u);
        EXPECT_GT(host().count("interrupts_on"), interrupts_before) << "but after its interrupts";
        is_preempted(page);
    });
    script.then([&](co_passage& page) {
        EXPECT_EQ(pauses(), 1u) << "it may spin itself: the host gets its CPU";
        ScriptedGuest::leave(page, CO_CALL_DEVICE);
    });
    EXPECT_EQ(guest.run(0), static_cast<unsigned>(CO_EXIT_DEVICE));
}

TEST_F(VcpuPreemptTest, NoOtherIsLetInUntilItWentOn)
{
    begin_and_preempt(1);
    host().on_pause = [] { host().must_return = pauses() == 10; };
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED)) << "and it can be interrupted there";
    host().must_return = false;
    run_to_device(0);
    EXPECT_EQ(run_to_device(1), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 10u) << "at once";
}

// The others may spin for it as soon as they are in the guest, and take what CPU it could have
TEST_F(VcpuPreemptTest, OthersLeaveTheGuestAndWait)
{
    begin_both();
    script.then([this](co_passage& page) {
        unsigned before = host().count("kick_cpu");
        EXPECT_TRUE(guest.monitor().hold_others()); // another one is taken off
        EXPECT_EQ(host().count("kick_cpu"), before + 1);
        host().in_service = {0x20};
        ScriptedGuest::leave(page, CO_CALL_INTERRUPT, {0x20});
    });
    host().on_pause = [this] {
        if (pauses() == 3)
            guest.monitor().let_others_run();
    };
    EXPECT_EQ(run_to_device(0), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 3u);
}

// Bug: it went on at once and spun for the first, which could not get in, since as many as may were suspects.
TEST_F(VcpuPreemptTest, OneThatIsTakenOffWhileAnotherWaitsIsNotLetInWithAThird)
{
    begin_both();
    script.then([this](co_passage& page) {
        guest.monitor().hold_others(); // another one is taken off; and a third spins for it, too
        guest.monitor().enter_guest();
        is_preempted(page);
    });
    host().on_pause = [this] {
        if (pauses() == 3)
            guest.monitor().leave_guest();
    };
    EXPECT_EQ(run_to_device(0), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 3u);
    guest.monitor().let_others_run();
}

TEST_F(VcpuPreemptTest, OthersDoNotWaitForOneThatIsTakenOffAgainAndAgain)
{
    begin_and_preempt(5);
    unsigned before = pauses();
    EXPECT_EQ(run_to_device(1), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), before);
}

TEST_F(VcpuPreemptTest, OthersDoNotWaitForOneThatHadInterruptsOn)
{
    begin_and_preempt(1, CO_MAILBOX_INTERRUPTS_ON);
    EXPECT_EQ(run_to_device(1), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 0u);
}

TEST_F(VcpuPreemptTest, OthersDoNotWaitForOneOfAnotherGuest)
{
    begin_and_preempt(1);
    TestGuest other;
    script.calls(CO_CALL_DEVICE);
    EXPECT_EQ(other.run(), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 0u);
}

TEST_F(VcpuPreemptTest, OneThatWasTakenOffItselfDoesNotWaitForAnother)
{
    begin_and_preempt(1);
    EXPECT_EQ(run_to_device(0), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(pauses(), 0u);
}

// A guest that spun with its interrupts off was re-entered after each preemption NMI, since nobody on the host had asked for
// the CPU: the interrupts that would have asked could not come.
TEST_F(VcpuPreemptTest, HostsInterruptsHaveTheirTurnAfterAPreemptionNmi)
{
    unsigned before = 0, after = 0;
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([&](co_passage& page) {
        CpuWatch::set_limit(0);
        CpuWatch::check(0); // kicks
        CpuWatch::check(0); // sends the NMI
        CpuWatch::set_limit(6'000'000);
        before = host().count("interrupts_on");
        ScriptedGuest::leave(page, CO_CALL_NMI);
    });
    script.then([&](co_passage& page) {
        after = host().count("interrupts_on");
        ScriptedGuest::leave(page, CO_CALL_DEVICE);
    });
    guest.run();
    EXPECT_EQ(after - before, 1u);
}

TEST_F(VcpuPreemptTest, PreemptionNmiLetsTheHostRunDespiteInterruptsOff)
{
    unsigned after = 0;
    script.calls(CO_CALL_NMI_READY, {1});
    for (unsigned i = 0; i < 2; ++i) { // after the first one it goes on at once
        script.then([](co_passage& page) {
            FakeCpu::tsc += 100'000'000;
            host().must_yield = true;
            co_core_watch_cpu(0);
            co_core_watch_cpu(0);
            ScriptedGuest::leave(page, CO_CALL_NMI);
        });
    }
    script.then([&](co_passage& page) {
        after = host().count("pause");
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
    EXPECT_EQ(host().count("send_nmi"), 2u);
    EXPECT_EQ(after, 1u);
    EXPECT_GE(guest.stats().preemption_nmis, 2u);
}

} // namespace

} // namespace colinux
