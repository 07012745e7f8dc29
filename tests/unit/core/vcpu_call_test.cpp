// SPDX-License-Identifier: GPL-2.0
// Vcpu: each call of the guest and what the core makes of it.
#include "tests/unit/core/core_test.hpp"

namespace colinux {

namespace {

class VcpuCallTest : public CoreTest {
protected:
    TestGuest guest{2};
    ScriptedGuest script;

    std::uint64_t argument_of_last(const std::string& name)
    {
        std::uint64_t value = ~0ull;
        for (const FakeHost::Call& call : host().history) {
            if (call.name == name)
                value = call.a;
        }
        return value;
    }
};

TEST_F(VcpuCallTest, InterruptGoesToTheHostsHandler)
{
    script.accepts(0xec);
    script.then([](co_passage& page) {
        EXPECT_EQ(host().count("take_interrupt"), 1u) << "before the guest goes on";
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(argument_of_last("take_interrupt"), 0xecu);
}

// Bug: the vector by which Linux stops the CPUs for a reboot stopped the host's CPU, whoever named it.
TEST_F(VcpuCallTest, VectorThatNobodySentIsNotTaken)
{
    host().in_service = {0x31};
    script.calls(CO_CALL_INTERRUPT, {0xf8});
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(host().count("take_interrupt"), 1u) << "the other one, at the guest's end";
    EXPECT_EQ(argument_of_last("take_interrupt"), 0x31u);
}

TEST_F(VcpuCallTest, ExceptionIsNoInterruptAndEndsTheGuest)
{
    for (co_u64 vector : {31ull, 256ull, 0ull, ~0ull}) {
        TestGuest other;
        script.calls(CO_CALL_INTERRUPT, {vector});
        EXPECT_EQ(other.run(), static_cast<unsigned>(CO_EXIT_KILLED));
        EXPECT_EQ(other.run_page().arg[0], static_cast<co_u64>(CO_KILL_BAD_CALL));
    }
    EXPECT_EQ(host().count("take_interrupt"), 0u);
}

TEST_F(VcpuCallTest, NmiAndMachineCheckGoToTheHost)
{
    script.calls(CO_CALL_NMI).calls(CO_CALL_MCE);
    guest.run();
    EXPECT_EQ(host().count("take_nmi"), 1u);
    EXPECT_EQ(host().count("take_machine_check"), 1u);
    EXPECT_EQ(guest.stats().nmis, 1u);
}

TEST_F(VcpuCallTest, NmiThatCameInThePassageGoesToTheHostOnce)
{
    script.then([](co_passage& page) {
        page.saw = CO_SAW_NMI | CO_SAW_MCE;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    guest.run();
    EXPECT_EQ(host().count("take_nmi"), 1u);
    EXPECT_EQ(host().count("take_machine_check"), 1u);
    EXPECT_EQ(guest.stats().passage_nmis, 1u);
    EXPECT_EQ(guest.page().saw, 0u);
}

TEST_F(VcpuCallTest, StateThatTheCpuRefusedEndsTheGuestWhateverTheMailboxSays)
{
    script.calls(CO_CALL_CLOCK).then([](co_passage& page) { page.saw = CO_SAW_BAD_STATE; });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    EXPECT_EQ(guest.run_page().arg[0], static_cast<co_u64>(CO_KILL_BAD_STATE));
    EXPECT_EQ(guest.run_page().arg[1], static_cast<co_u64>(CO_BAD_STATE_UNLOADABLE));
}

TEST_F(VcpuCallTest, ClockIsTheHosts)
{
    script.calls(CO_CALL_CLOCK).then([](co_passage& page) {
        EXPECT_EQ(page.mailbox.result[0], host().wall_clock_ns);
        EXPECT_LE(page.mailbox.result[1], FakeCpu::tsc);
        EXPECT_GE(page.mailbox.result[1], 1'000'000u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
}

// Bug: on a machine whose hypervisor takes the CPU away between the two looks the guest's clock was milliseconds off for ever.
TEST_F(VcpuCallTest, BothClocksAreReadTogetherThoughTheCpuWasAway)
{
    int looks = 0;
    host().on_wall_clock = [&looks] {
        bool away = ++looks <= 3;
        host().wall_clock_ns += away ? 20'000'000 : 10; // the fake TSC ticks once a nanosecond
        FakeCpu::tsc += away ? 20'000'000 : 10;
    };
    const std::uint64_t difference = host().wall_clock_ns - FakeCpu::tsc;
    script.calls(CO_CALL_CLOCK).then([difference](co_passage& page) {
        std::uint64_t off = page.mailbox.result[0] - page.mailbox.result[1] - difference;
        EXPECT_LT(off + 1000, 2000u) << "within a microsecond";
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
}

TEST_F(VcpuCallTest, TimerIsAskedOfTheHostInNanoseconds)
{
    script.then([](co_passage& page) { ScriptedGuest::leave(page, CO_CALL_SET_TIMER, {FakeCpu::tsc + 1'000'000}); });
    guest.run();
    EXPECT_NEAR(argument_of_last("timer_start"), 1'000'000, 200);
}

TEST_F(VcpuCallTest, TimerThatIsDueIsPendingAtOnce)
{
    script.calls(CO_CALL_SET_TIMER, {1}).then([](co_passage& page) {
        EXPECT_EQ(page.pending, 1u << CO_PENDING_TIMER);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
    EXPECT_EQ(host().count("timer_start"), 0u);
}

TEST_F(VcpuCallTest, TimerIsTakenBack)
{
    script.calls(CO_CALL_SET_TIMER, {1'000'000'000}).calls(CO_CALL_SET_TIMER, {0});
    guest.run();
    host().fire_timers();
    EXPECT_EQ(guest.page().pending, 0u);
}

// Bug: a deadline in the far future overflowed the host's nanoseconds and came at once.
TEST_F(VcpuCallTest, TimerInTheFarFutureDoesNotOverflow)
{
    script.calls(CO_CALL_SET_TIMER, {~0ull});
    guest.run();
    EXPECT_EQ(argument_of_last("timer_start"), 1ull << 60);
}

TEST_F(VcpuCallTest, DoorbellSignalsItsEventfdOnly)
{
    host().eventfds = {5, 6};
    co_bind_doorbell first{0, 0, 5}, second{255, 0, 6};
    ASSERT_EQ(guest.request(CO_BIND_DOORBELL, &first), 0);
    ASSERT_EQ(guest.request(CO_BIND_DOORBELL, &second), 0);
    script.calls(CO_CALL_DOORBELL, {255}).calls(CO_CALL_DOORBELL, {7}).calls(CO_CALL_DOORBELL, {256}).calls(CO_CALL_DOORBELL, {~0ull});
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF)) << "unbound and unknown ones are ignored";
    EXPECT_EQ(host().count("event_signal"), 1u);
    EXPECT_EQ(argument_of_last("event_signal"), 6u);
}

TEST_F(VcpuCallTest, DeviceCallGoesToUserSpaceAndItsResultToTheGuest)
{
    script.calls(CO_CALL_DEVICE, {3, 1, 7, 8}).then([](co_passage& page) {
        EXPECT_EQ(page.mailbox.result[0], 95u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    ASSERT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEVICE));
    EXPECT_EQ(guest.run_page().arg[0], 3u);
    EXPECT_EQ(guest.run_page().arg[3], 8u);
    guest.run_page().result = 95;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuCallTest, DeviceResultSurvivesAnInterruptedRun)
{
    script.calls(CO_CALL_DEVICE).then([](co_passage& page) {
        EXPECT_EQ(page.mailbox.result[0], 7u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
    guest.run_page().result = 7;
    host().must_return = true;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    host().must_return = false;
    guest.run_page().result = 8;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuCallTest, DebuggerCallGoesToUserSpaceAndItsResultToTheGuest)
{
    script.calls(CO_CALL_DEBUGGER, {3, 0xffffc90000001000, 0x4000}).then([](co_passage& page) {
        EXPECT_EQ(page.mailbox.result[0], 1u);
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    ASSERT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEBUGGER));
    EXPECT_EQ(guest.run_page().arg[0], 3u);
    EXPECT_EQ(guest.run_page().arg[1], 0xffffc90000001000u);
    EXPECT_EQ(guest.run_page().arg[2], 0x4000u);
    guest.run_page().result = 1;
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuCallTest, EachEndHasItsExitAndItsArguments)
{
    const std::pair<unsigned, unsigned> ends[] = {{CO_CALL_POWER_OFF, CO_EXIT_POWER_OFF}, {CO_CALL_REBOOT, CO_EXIT_REBOOT},
                                                  {CO_CALL_HALT, CO_EXIT_HALT}, {CO_CALL_PANIC, CO_EXIT_PANIC},
                                                  {CO_CALL_PROTOCOL, CO_EXIT_PROTOCOL}};
    for (auto [call, exit] : ends) {
        TestGuest other;
        script.calls(call, {41, 42, 43, 44});
        EXPECT_EQ(other.run(), exit);
        EXPECT_EQ(other.run_page().arg[0], 41u);
        EXPECT_EQ(other.run_page().arg[3], 44u);
        EXPECT_EQ(other.run(), exit) << "again";
    }
}

TEST_F(VcpuCallTest, EndOfTheGuestIsReportedByAllVcpus)
{
    script.calls(CO_CALL_REBOOT);
    EXPECT_EQ(guest.run(0), static_cast<unsigned>(CO_EXIT_REBOOT));
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_REBOOT)) << "never started";
}

TEST_F(VcpuCallTest, FirstEndCounts)
{
    guest.monitor().kill(CO_KILL_HANG, 1);
    guest.monitor().kill(CO_KILL_BY_USER, 2);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    EXPECT_EQ(guest.run_page().arg[0], static_cast<co_u64>(CO_KILL_HANG));
    EXPECT_EQ(host().count("cross"), 0u);
}

TEST_F(VcpuCallTest, UnknownCallEndsTheGuest)
{
    for (unsigned call : {0u, static_cast<unsigned>(CO_CALL_COUNT), 4711u, ~0u}) {
        TestGuest other;
        script.calls(call);
        EXPECT_EQ(other.run(), static_cast<unsigned>(CO_EXIT_KILLED));
        EXPECT_EQ(other.run_page().arg[0], static_cast<co_u64>(CO_KILL_BAD_CALL));
        EXPECT_EQ(other.run_page().arg[1], call);
    }
}

TEST_F(VcpuCallTest, KickOfAnUnknownVcpuEndsTheGuest)
{
    for (unsigned call : {CO_CALL_KICK, CO_CALL_LOCK_KICK}) {
        TestGuest other;
        script.calls(call, {64});
        EXPECT_EQ(other.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    }
}

TEST_F(VcpuCallTest, DebugWordsGoToTheLog)
{
    script.calls(CO_CALL_DEBUG, {0xabc, 0xdef});
    guest.run();
    EXPECT_EQ(argument_of_last("log"), 0xabcu);
}

TEST_F(VcpuCallTest, CallsAreCounted)
{
    script.calls(CO_CALL_CLOCK).calls(CO_CALL_CLOCK).calls(CO_CALL_YIELD);
    guest.run();
    co_guest_stats stats = guest.stats();
    EXPECT_EQ(stats.calls[CO_CALL_CLOCK], 2u);
    EXPECT_EQ(stats.calls[CO_CALL_YIELD], 1u);
    EXPECT_EQ(stats.switches, 4u);
}

} // namespace

} // namespace colinux
