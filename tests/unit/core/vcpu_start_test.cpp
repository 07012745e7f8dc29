// SPDX-License-Identifier: GPL-2.0
// Vcpu: starting, stopping and restarting the other CPUs of a guest.
#include "tests/unit/core/core_test.hpp"

namespace colinux {

namespace {

constexpr co_u64 kRip = 0xffff'ffff'ff81'2340, kRsp = 0xffff'ffff'ff82'0000;

class VcpuStartTest : public CoreTest {
protected:
    TestGuest guest{2};
    ScriptedGuest script;

    ScriptedGuest& start(co_u64 vcpu) { return script.calls(CO_CALL_CPU_START, {vcpu, kRip, kRsp, guest.entry().cr3}); }
    // The next step: the last start answered this; then this vCPU lends its thread back
    void expect_answer(co_u64 answer)
    {
        script.then([=](co_passage& page) {
            EXPECT_EQ(page.mailbox.result[0], answer);
            ScriptedGuest::leave(page, CO_CALL_DEVICE);
        });
    }
    void run_to_device(unsigned vcpu = 0) { EXPECT_EQ(guest.run(vcpu), static_cast<unsigned>(CO_EXIT_DEVICE)); }
};

TEST_F(VcpuStartTest, VcpuThatNobodyStartedSleeps)
{
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    EXPECT_EQ(host().count("cross"), 0u);
}

TEST_F(VcpuStartTest, StartedVcpuBeginsAtTheGivenState)
{
    start(1);
    expect_answer(0);
    run_to_device();
    co_passage& page = guest.page(1);
    const co_u64* frame = page.stack + (page.guest.rsp % kPageSize - offsetof(co_passage, stack)) / sizeof(co_u64);
    EXPECT_EQ(frame[2], kRip);
    EXPECT_EQ(frame[3], kRsp);
    EXPECT_EQ(frame[5], 0u);
    EXPECT_EQ(page.guest.cr3, guest.entry().cr3);
    EXPECT_EQ(page.guest.idtr.base, guest.entry().idt_base);
    script.then([&](co_passage& own) {
        EXPECT_EQ(&own, &page);
        ScriptedGuest::leave(own, CO_CALL_POWER_OFF);
    });
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuStartTest, StartWakesTheSleepingThread)
{
    host().while_waiting.push_back([this] {
        co_vcpu_entry entry = guest.entry();
        EXPECT_TRUE(guest.monitor().vcpu(1)->start(entry));
    });
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(VcpuStartTest, UnknownOwnAndRunningVcpusAreRefused)
{
    for (auto [vcpu, answer] : {std::pair<co_u64, co_u64>{2, 22}, {~0ull, 22}, {0, 22}, {1, 0}, {1, 16}}) {
        start(vcpu);
        expect_answer(answer);
        run_to_device();
    }
}

// Bug: any cr3 was loaded: with one outside guest RAM the host's CPU died in the passage.
TEST_F(VcpuStartTest, StateThatNoCpuCanLoadIsRefused)
{
    co_u64 cr3 = guest.entry().cr3;
    for (auto [rip, rsp, root] : {std::array<co_u64, 3>{kRip, kRsp, 0},
                                  {kRip, kRsp, 0x1000},
                                  {kRip, kRsp, guest.ram() + TestGuest::kBytes},
                                  {kRip, kRsp, cr3 + 8},
                                  {kRip, kRsp, cr3 | 1ull << 63},
                                  {1ull << 56, kRsp, cr3},
                                  {kRip, 1ull << 63, cr3}}) {
        script.calls(CO_CALL_CPU_START, {1, rip, rsp, root});
        expect_answer(22);
        run_to_device();
    }
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED)) << "it never started";
    host().must_return = false;
}

// Bug: starting a vCPU turned interrupts on in the middle of the starter's burst, with the guest's MSRs live; and took
// these for the host's.
TEST_F(VcpuStartTest, StartingVcpuDisturbsNeitherInterruptsNorMsrs)
{
    std::uint64_t host_lstar = this_cpu().msr(cpu::Msr::Lstar);
    script.then([](co_passage& page) {
        page.msr[CO_MSR_LSTAR] = this_cpu().msrs[cpu::Msr::Lstar] = 0x1111;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    host().history.clear();
    start(1);
    expect_answer(0);
    run_to_device();
    EXPECT_EQ(host().count("interrupts_off"), 1u);
    script.then([=](co_passage& page) {
        EXPECT_EQ(page.msr[CO_MSR_LSTAR], host_lstar) << "a new CPU begins with the host's";
        ScriptedGuest::leave(page, CO_CALL_POWER_OFF);
    });
    guest.run(1);
    EXPECT_EQ(this_cpu().msr(cpu::Msr::Lstar), host_lstar);
}

TEST_F(VcpuStartTest, StoppedVcpuSleepsUntilItIsStartedAgain)
{
    start(1);
    expect_answer(0);
    run_to_device();
    script.calls(CO_CALL_CPU_STOP);
    guest.page(1).pending = 1; // wakes nobody
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_INTERRUPTED));
    host().must_return = false;
    start(1);
    expect_answer(0);
    run_to_device();
    EXPECT_EQ(guest.run(1), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

// Bug: a vCPU that was started again on the CPU where it had run kept the guest's MSRs as the host's.
TEST_F(VcpuStartTest, RestartedVcpuLeavesTheHostsMsrsBehind)
{
    std::uint64_t host_lstar = this_cpu().msr(cpu::Msr::Lstar);
    auto own_lstar = [](co_passage& page) {
        page.msr[CO_MSR_LSTAR] = this_cpu().msrs[cpu::Msr::Lstar] = 0x2222;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    };
    start(1);
    expect_answer(0);
    run_to_device();
    script.then(own_lstar).calls(CO_CALL_CPU_STOP);
    guest.run(1);
    host().must_return = false;
    script.then(own_lstar);
    start(1);
    expect_answer(0);
    run_to_device();
    script.then(own_lstar).calls(CO_CALL_DEVICE);
    run_to_device(1);
    EXPECT_EQ(this_cpu().msr(cpu::Msr::Lstar), host_lstar);
}

// Bug: a restarted vCPU was still held to check its pending word. Bug: a secondary that spun for the one which started it
// was not taken off its CPU, since it had not said that it can take NMIs; its first IDT says so.
TEST_F(VcpuStartTest, RestartedVcpuChecksNothingYetButCanBeTakenOff)
{
    start(1);
    expect_answer(0);
    run_to_device();
    script.calls(CO_CALL_NMI_READY, {1}).calls(CO_CALL_CPU_STOP, {}, CO_MAILBOX_CHECKS_PENDING);
    guest.run(1);
    host().must_return = false;
    start(1);
    expect_answer(0);
    run_to_device();
    host().history.clear();
    guest.page(1).pending = 1;
    script.then([](co_passage& page) {
        FakeCpu::tsc += 100'000'000;
        co_core_watch_cpu(0);
        co_core_watch_cpu(0);
        ScriptedGuest::leave(page, CO_CALL_DEVICE);
    });
    run_to_device(1);
    EXPECT_EQ(host().count("send_nmi"), 1u);
    EXPECT_EQ(host().count("kick_cpu"), 2u) << "for what is pending, and before the NMI";
}

} // namespace

} // namespace colinux
