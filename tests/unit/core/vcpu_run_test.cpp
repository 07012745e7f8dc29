// SPDX-License-Identifier: GPL-2.0
// Vcpu: the run loop. When it yields and when it must not, sleeps, wakes and self-IPIs, and coming back to user space.
#include "tests/unit/core/core_test.hpp"

#include "core/cpu_watch.hpp"

#include <utility>

namespace colinux {

namespace {

constexpr co_u32 kOn = CO_MAILBOX_INTERRUPTS_ON, kChecks = CO_MAILBOX_CHECKS_PENDING;

class VcpuRunTest : public CoreTest {
protected:
    VcpuRunTest() { host().history.clear(); } // of how the guest was made

    TestGuest guest{2};
    ScriptedGuest script;

    unsigned yields() { return host().count("yield") + host().count("yield_eagerly"); }
    // Leaves by `call` with the host wanting the CPU; how often it got it before the guest came back
    unsigned yields_after(co_u32 call, co_u32 flags, ScriptedGuest::Arguments arguments = {})
    {
        unsigned before = 0, after = 0;
        script.then([=, &before, this](co_passage& page) {
            host().must_yield = true;
            before = yields();
            ScriptedGuest::leave(page, call, arguments, flags);
        });
        script.then([&after, this](co_passage& page) {
            after = yields();
            host().must_yield = false;
            ScriptedGuest::leave(page, CO_CALL_DEVICE);
        });
        EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEVICE));
        return after - before;
    }
};

TEST_F(VcpuRunTest, NobodyRunsAfterAnExitWithInterruptsOff)
{
    for (co_u32 call : {CO_CALL_CLOCK, CO_CALL_SET_TIMER, CO_CALL_DOORBELL, CO_CALL_KICK, CO_CALL_LOCK_KICK, CO_CALL_NMI,
                        CO_CALL_MCE, CO_CALL_NMI_READY, CO_CALL_DEBUG, CO_CALL_CPU_START})
        EXPECT_EQ(yields_after(call, 0), 0u) << call;
}

TEST_F(VcpuRunTest, HostGetsItsCpuAfterAnExitWithInterruptsOn)
{
    for (co_u32 call : {CO_CALL_CLOCK, CO_CALL_SET_TIMER, CO_CALL_DOORBELL, CO_CALL_KICK, CO_CALL_LOCK_KICK, CO_CALL_NMI})
        EXPECT_EQ(yields_after(call, kOn), 1u) << call;
}

TEST_F(VcpuRunTest, HostGetsItsCpuWithAnInterruptAndWhenTheGuestOffersIt)
{
    EXPECT_EQ(yields_after(CO_CALL_INTERRUPT, 0, {0xec}), 1u);
    EXPECT_EQ(yields_after(CO_CALL_YIELD, 0), 1u);
}

// Bug: a sleep that ended before it began was no occasion to let others run.
TEST_F(VcpuRunTest, HostGetsItsCpuWhenTheGuestHasNothingToWaitFor)
{
    guest.page().pending = 1;
    EXPECT_EQ(yields_after(CO_CALL_IDLE, kChecks), 1u);
    EXPECT_EQ(yields_after(CO_CALL_LOCK_WAIT, kOn | kChecks), 1u);
    EXPECT_EQ(host().count("wait"), 0u);
}

// A killed guest once took an accepted timer interrupt with it: that CPU never had one again.
TEST_F(VcpuRunTest, InterruptThatAnEndingGuestAcceptedIsTaken)
{
    script.then([](co_passage& page) {
        host().in_service = {0xec, 0x31};
        ScriptedGuest::leave(page, CO_CALL_PANIC);
    });
    guest.run();
    EXPECT_TRUE(host().in_service.empty());
    EXPECT_EQ(host().count("take_interrupt"), 2u);
}

// A guest that waits for jiffies_lock on its way to the handler kept the host's CPU without a timer for seconds.
TEST_F(VcpuRunTest, InterruptThatAWaitingGuestAcceptedIsTaken)
{
    for (co_u32 call : {CO_CALL_YIELD, CO_CALL_LOCK_WAIT}) {
        script.then([call](co_passage& page) {
            host().in_service = {0xec};
            ScriptedGuest::leave(page, call);
        });
        guest.run();
        EXPECT_TRUE(host().in_service.empty()) << call;
    }
}

TEST_F(VcpuRunTest, InterruptThatWasTakenEarlyIsNotTakenAgain)
{
    script.calls(CO_CALL_NMI_READY, {1});
    script.then([](co_passage& page) {
        host().in_service = {0xec};
        CpuWatch::set_limit(0);
        CpuWatch::check(0); // kicks
        CpuWatch::check(0); // sends the preemption NMI
        CpuWatch::set_limit(6'000'000);
        ScriptedGuest::leave(page, CO_CALL_NMI);
        host().must_yield = true;
    });
    script.then([](co_passage& page) {
        host().must_yield = false;
        ScriptedGuest::leave(page, CO_CALL_INTERRUPT, {0xec});
    });
    script.accepts(0xec);
    guest.run();
    EXPECT_EQ(host().count("take_interrupt"), 2u) << "once early, once for the second";
}

// A breakpoint in the kernel's way to common_interrupt(): the guest may stand there for hours.
TEST_F(VcpuRunTest, InterruptThatWasAcceptedBeforeABreakpointIsTaken)
{
    script.then([](co_passage& page) {
        host().in_service = {0xec};
        ScriptedGuest::leave(page, CO_CALL_DEBUGGER, {3});
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEBUGGER));
    EXPECT_TRUE(host().in_service.empty());
}

TEST_F(VcpuRunTest, YieldIsEager)
{
    script.calls(CO_CALL_YIELD);
    guest.run();
    EXPECT_EQ(host().count("yield_eagerly"), 1u);
}

// Bug: a console that waited for its full ring yielded to nobody, a thousand times in no time, and threw text away.
TEST_F(VcpuRunTest, YieldThatWantsToSleepSleepsWhoeverWantsTheCpu)
{
    script.calls(CO_CALL_YIELD, {1});
    guest.run();
    EXPECT_EQ(host().count("pause"), 1u);
    EXPECT_EQ(host().count("yield_eagerly"), 0u);
}

// Bug: run() looked whether the guest had ended, then turned interrupts off, and entered a guest that had ended between.
TEST_F(VcpuRunTest, GuestThatEndsAsInterruptsGoOffIsNotEntered)
{
    unsigned crossings = 0;
    host().guest = [&](co_passage& page) {
        ++crossings;
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    };
    bool ended = false;
    host().on_interrupts_off = [&] {
        if (!std::exchange(ended, true))
            co_core_end_guests(CO_KILL_HOST_ENDS);
    };
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    host().on_interrupts_off = [] {};
    EXPECT_EQ(crossings, 0u);
}

TEST_F(VcpuRunTest, InterruptsStayInTheBurstWhileTheHostDoesNotWantTheCpu)
{
    script.accepts(0x20).accepts(0x21).accepts(0x22);
    guest.run();
    EXPECT_EQ(host().count("interrupts_off"), 1u);
    EXPECT_EQ(host().count("take_interrupt"), 3u);
}

// Bug: a guest that called on and on with interrupts off kept the host's off for ever.
TEST_F(VcpuRunTest, GuestThatCallsOnAndOnWithInterruptsOffIsPreempted)
{
    for (unsigned i = 0; i < 100; ++i) {
        script.then([](co_passage& page) {
            FakeCpu::tsc += 1'000'000; // 1 ms
            ScriptedGuest::leave(page, CO_CALL_CLOCK);
        });
    }
    guest.run();
    EXPECT_EQ(yields(), 100u / 32 + 1) << "the clock is looked at after 16 calls, and counts the second time; and when it powers off";
}

// Bug: a CPU that had stood still for a while was taken back after the guest's next call, and with it the locks that it held.
TEST_F(VcpuRunTest, GuestWhoseCpuStoodStillIsNotPreempted)
{
    for (unsigned i = 0; i < 3; ++i) {
        script.calls(CO_CALL_CLOCK).then([](co_passage& page) {
            FakeCpu::tsc += 100'000'000;
            ScriptedGuest::leave(page, CO_CALL_CLOCK);
        });
        script.calls(CO_CALL_CLOCK).calls(CO_CALL_CLOCK, {}, kOn);
    }
    guest.run();
    EXPECT_EQ(host().count("interrupts_off"), 1u) << "one burst";
}

TEST_F(VcpuRunTest, PendingThatTheGuestDoesNotCheckSendsASelfIpi)
{
    script.then([this](co_passage& page) {
        guest.monitor().vcpu(0)->raise(CO_PENDING_LINE0);
        host().history.clear();
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    guest.run();
    EXPECT_EQ(host().count("kick_cpu"), 1u);
}

TEST_F(VcpuRunTest, PendingThatTheGuestChecksSendsNone)
{
    script.then([](co_passage& page) {
        page.pending = 1;
        ScriptedGuest::leave(page, CO_CALL_CLOCK, {}, kChecks);
    });
    guest.run();
    EXPECT_EQ(host().count("kick_cpu"), 0u);
}

TEST_F(VcpuRunTest, InterruptRaisedWhileTheGuestRunsKicksItsCpuOnce)
{
    script.then([this](co_passage& page) {
        guest.monitor().vcpu(0)->raise(CO_PENDING_LINE0);
        guest.monitor().vcpu(0)->raise(CO_PENDING_LINE0);
        EXPECT_EQ(host().count("kick_cpu"), 1u);
        page.pending = 0;
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
}

TEST_F(VcpuRunTest, HostThatWantsTheCpuInterruptsAGuestThatReenters)
{
    script.then([](co_passage& page) {
        host().must_yield = true;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    guest.run();
    EXPECT_EQ(host().count("kick_cpu"), 1u);
}

TEST_F(VcpuRunTest, IdleReturnsAtOnceWhenSomethingIsPending)
{
    script.then([](co_passage& page) {
        page.pending = 4;
        ScriptedGuest::leave(page, CO_CALL_IDLE);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(host().count("wait"), 0u);
}

TEST_F(VcpuRunTest, IdleEndsWithTheTimer)
{
    host().while_waiting.push_back([] { host().fire_timers(); });
    script.calls(CO_CALL_SET_TIMER, {1'000'000'000}).calls(CO_CALL_IDLE).then([](co_passage& page) {
        EXPECT_EQ(page.pending, 1u << CO_PENDING_TIMER);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, IdleEndsWithAnInterruptLine)
{
    host().eventfds = {5};
    co_bind_irq_line line{2, 0, 5};
    ASSERT_EQ(guest.request(CO_BIND_IRQ_LINE, &line), 0);
    host().while_waiting.push_back([] { host().signal_eventfd(5); });
    script.calls(CO_CALL_IDLE);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, IdleEndsWithTheKickOfAnotherVcpu)
{
    host().while_waiting.push_back([this] {
        guest.page(0).pending = 1 << CO_PENDING_RESCHEDULE; // as the graft does ...
        guest.monitor().vcpu(0)->notify();                  // ... and its CO_CALL_KICK
    });
    script.calls(CO_CALL_IDLE);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, IdleEndsWithTheGuest)
{
    host().while_waiting.push_back([this] { guest.monitor().kill(CO_KILL_HANG, 0); });
    script.calls(CO_CALL_IDLE);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
}

TEST_F(VcpuRunTest, SpuriousWakeUpGoesBackToSleep)
{
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->notify(); });
    script.calls(CO_CALL_IDLE);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(script.steps_left(), 0u);
    EXPECT_EQ(host().count("cross"), 1u);
}

TEST_F(VcpuRunTest, LockWaitEndsWithItsKickWhichIsThenUsedUp)
{
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->lock_kick(); });
    script.calls(CO_CALL_LOCK_WAIT).calls(CO_CALL_LOCK_WAIT);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED)) << "the second wait waits";
    EXPECT_EQ(host().count("cross"), 2u);
}

TEST_F(VcpuRunTest, LockKickBeforeTheWaitIsKept)
{
    script.calls(CO_CALL_LOCK_KICK, {0}).calls(CO_CALL_LOCK_WAIT);
    script.calls(CO_CALL_LOCK_KICK, {0}, kOn).calls(CO_CALL_LOCK_WAIT); // this wait is in the next burst
    host().must_yield = true;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(host().count("wait"), 0u);
}

// Bug: what is pending ended the wait of a guest that could not take it. It waited again at once: a loop in the host's kernel, in
// which nobody else got the CPU, not even the one who was to give the kick. 51 crossings, no wait.
TEST_F(VcpuRunTest, LockWaitWithInterruptsOffEndsByItsKickOnly)
{
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->raise(CO_PENDING_LINE0); });
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->lock_kick(); });
    script.then([](co_passage& page) {
        page.pending = 1u << CO_PENDING_TIMER;
        ScriptedGuest::leave(page, CO_CALL_LOCK_WAIT);
    });
    for (unsigned i = 1; i < 50; ++i)
        script.calls(CO_CALL_LOCK_WAIT);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED)) << "the second wait waits";
    EXPECT_EQ(host().count("cross"), 2u);
    EXPECT_TRUE(host().while_waiting.empty());
}

TEST_F(VcpuRunTest, LockWaitWithInterruptsOnEndsWithAnInterruptToo)
{
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->raise(CO_PENDING_LINE0); });
    script.calls(CO_CALL_LOCK_WAIT, {}, kOn);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, LockWaitWithInterruptsOffEndsWithTheGuest)
{
    host().while_waiting.push_back([this] { guest.monitor().kill(CO_KILL_HANG, 0); });
    script.calls(CO_CALL_LOCK_WAIT);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
}

TEST_F(VcpuRunTest, LockKickDoesNotEndIdle)
{
    host().while_waiting.push_back([this] { guest.monitor().vcpu(0)->lock_kick(); });
    script.calls(CO_CALL_IDLE);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
}

TEST_F(VcpuRunTest, SignalBringsTheThreadBack)
{
    script.then([](co_passage& page) {
        host().must_return = true;
        ScriptedGuest::leave(page, CO_CALL_INTERRUPT, {0x30});
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    host().must_return = false;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

// Bug: what KVM's guest had left in the MSRs was taken for the host's. When that guest ended during a burst, KVM gave the host its
// own back, and the burst's end undid it: the next SYSCALL of the host went to an address of the dead guest.
TEST_F(VcpuRunTest, WhatKvmLeftInMsrsIsGivenBackBeforeTheGuestRuns)
{
    host().msrs_are_lent = true;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(host().count("cross"), 0u);
    host().msrs_are_lent = false; // the thread was in user space
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, ImmediateExitDoesNotEnter)
{
    guest.run_page().immediate_exit = 1;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(host().count("cross"), 0u);
    guest.run_page().immediate_exit = 0;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, SecondThreadIsBusy)
{
    script.then([this](co_passage& page) {
        host().interrupts_off = false; // another CPU's
        EXPECT_EQ(guest.vcpu_request(0, CO_RUN), -16);
        host().interrupts_off = true;
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
}

TEST_F(VcpuRunTest, ThreadMayMoveToAnotherCpuBetweenBursts)
{
    host().on_yield = [] { host().current_cpu = 1; };
    script.then([](co_passage& page) {
        page.msr[CO_MSR_LSTAR] = this_cpu().msrs[cpu::Msr::Lstar] = 0x1111;
        ScriptedGuest::leave(page, CO_CALL_YIELD);
    });
    script.then([](co_passage& page) {
        EXPECT_EQ(fake_cpu(1).msr(cpu::Msr::Lstar), 0x1111u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    std::uint64_t host_lstar = fake_cpu(0).msr(cpu::Msr::Lstar);
    guest.run();
    EXPECT_EQ(fake_cpu(0).msr(cpu::Msr::Lstar), host_lstar);
    EXPECT_EQ(fake_cpu(1).msr(cpu::Msr::Lstar), host_lstar);
}

TEST_F(VcpuRunTest, ExitsAreCountedByWhetherTheGuestsInterruptsWereOn)
{
    script.calls(CO_CALL_CLOCK, {}, kOn).calls(CO_CALL_CLOCK).calls(CO_CALL_NMI).calls(CO_CALL_INTERRUPT, {0xec}, kOn);
    script.calls(CO_CALL_DEVICE, {}, kOn);
    guest.run();
    EXPECT_EQ(guest.run_page().progress, 3u);
    EXPECT_EQ(guest.run_page().stalls, 2u);
    EXPECT_EQ(guest.run_page().sleep, static_cast<unsigned>(CO_SLEEP_NONE));
}

TEST_F(VcpuRunTest, RunPageTellsWhatAVcpuWaitsFor)
{
    script.calls(CO_CALL_IDLE).then([](co_passage& page) {
        page.pending = 0;
        ScriptedGuest::leave(page, CO_CALL_LOCK_WAIT);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(guest.run_page().sleep, static_cast<unsigned>(CO_SLEEP_IDLE));
    host().must_return = false;
    guest.page().pending = 1;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(guest.run_page().sleep, static_cast<unsigned>(CO_SLEEP_LOCK_WAIT));
    host().must_return = false;
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(guest.run_page(1).sleep, static_cast<unsigned>(CO_SLEEP_STOPPED));
}

TEST_F(VcpuRunTest, GuestIsToldHowLongItWaitedForACpu)
{
    host().waited_ns = 500; // before it lent itself to this vCPU
    host().on_yield = [] { host().waited_ns += 30; };
    script.calls(CO_CALL_YIELD).calls(CO_CALL_YIELD).then([](co_passage& page) {
        EXPECT_EQ(page.stolen_ns, 60u);
        page.stolen_ns = 7; // not the guest's to say
        ScriptedGuest::leave(page, CO_CALL_YIELD);
    }).then([](co_passage& page) {
        EXPECT_EQ(page.stolen_ns, 90u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuRunTest, RunPageIsTheOnlyPageOfTheVcpusFile)
{
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(guest.run_page().exit, static_cast<co_u32>(CO_EXIT_POWER_OFF));
}

} // namespace

} // namespace colinux
