// SPDX-License-Identifier: GPL-2.0
#include "core/suspects.hpp"
#include "core/cpu_watch.hpp"
#include "tests/unit/core/core_test.hpp"

namespace colinux {

namespace {

class SuspectsTest : public CoreTest {
protected:
    SuspectsTest() { script.calls(CO_CALL_NMI_READY, {1}); }

    // Another vCPU, on another CPU
    static bool enters()
    {
        InterruptsOff off;
        return Suspects::enter();
    }

    // The guest is found spinning with its interrupts off, or on
    void is_taken_off(co_u32 flags = 0)
    {
        script.then([flags](co_passage& page) {
            FakeCpu::tsc += 100'000'000;
            co_core_watch_cpu(0);
            co_core_watch_cpu(0);
            ScriptedGuest::leave(page, CO_CALL_NMI, {}, flags);
        });
    }

    ScriptedGuest script;
    TestGuest guest;
};

// Bug: two guests that spun with interrupts off had both CPUs of a host, and with them the timers that would have taken them off.
TEST_F(SuspectsTest, OneIsNotLetInWhileAnotherHasTheOnlyOtherCpu)
{
    ASSERT_TRUE(enters()); // somebody else's, on CPU 1
    int pauses = 0;
    host().on_pause = [&pauses] {
        if (++pauses == 3)
            Suspects::leave();
    };
    is_taken_off();
    guest.run();
    EXPECT_EQ(pauses, 3);
}

// Bug: the CPUs were counted before interrupts were off. One could go then, and its share of suspects came in all the same.
TEST_F(SuspectsTest, CpuThatGoesBeforeTheGuestIsEnteredDoesNotCount)
{
    host().online_cpus = 3;
    ASSERT_TRUE(enters()); // on CPU 1
    host().on_interrupts_off = [] { host().online_cpus = 2; };
    host().on_pause = [] { Suspects::leave(); };
    is_taken_off();
    guest.run();
    EXPECT_EQ(host().count("pause"), 1u);
}

TEST_F(SuspectsTest, OneLeavesThemWithItsBurst)
{
    is_taken_off();
    script.calls(CO_CALL_DEVICE);
    guest.run();
    EXPECT_TRUE(enters());
    Suspects::leave();
}

TEST_F(SuspectsTest, OneThatTakesAnInterruptIsNoneAnyMore)
{
    is_taken_off();
    script.accepts(0x20);
    script.then([](co_passage& page) {
        EXPECT_TRUE(Suspects::enter()) << "in the same burst";
        Suspects::leave();
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run();
}

TEST_F(SuspectsTest, WhoeverHadInterruptsOnIsNone)
{
    ASSERT_TRUE(enters());
    is_taken_off(CO_MAILBOX_INTERRUPTS_ON);
    guest.run();
    EXPECT_EQ(host().count("pause"), 0u);
    Suspects::leave();
}

TEST_F(SuspectsTest, DaemonGetsItsThreadBackWhileItWaits)
{
    ASSERT_TRUE(enters());
    host().on_pause = [this] { guest.run_page().immediate_exit = 1; };
    is_taken_off();
    EXPECT_EQ(guest.run(), CO_EXIT_INTERRUPTED);
    Suspects::leave();
}

TEST_F(SuspectsTest, ThereMayBeOneLessThanCpus)
{
    host().online_cpus = 3;
    EXPECT_TRUE(enters());
    EXPECT_TRUE(enters());
    EXPECT_FALSE(enters());
    Suspects::leave();
    Suspects::leave();
}

TEST_F(SuspectsTest, OneCpuHasNoOtherThatCouldHelp)
{
    host().online_cpus = 1;
    EXPECT_TRUE(enters());
    Suspects::leave();
}

} // namespace

} // namespace colinux
