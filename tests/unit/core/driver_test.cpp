// SPDX-License-Identifier: GPL-2.0
// The driver's own requests: what this machine is, why it may refuse, and guests coming and going.
#include "tests/unit/core/core_test.hpp"

#include "core/cpu_watch.hpp"

namespace colinux {

namespace {

using DriverTest = CoreTest;

// On a machine that has changed since
co_u32 restart(co_u32 glue_refusals)
{
    co_core_stop();
    return co_core_start(glue_refusals);
}

co_s64 create(co_create_guest request)
{
    void* guest = nullptr;
    co_s64 result = co_core_device_request(CO_CREATE_GUEST, &request, &guest);
    EXPECT_EQ(result == 0, guest != nullptr);
    if (guest)
        co_core_guest_release(guest);
    return result;
}

co_info info()
{
    co_info info{};
    EXPECT_EQ(co_core_device_request(CO_GET_INFO, &info, nullptr), 0);
    return info;
}

TEST_F(DriverTest, FitMachineHasNoRefusals) { EXPECT_EQ(restart(0), 0u); }

TEST_F(DriverTest, VersionAndInfoAreTold)
{
    EXPECT_EQ(co_core_device_request(CO_GET_VERSION, nullptr, nullptr), CO_ABI_VERSION);
    TestGuest guest;
    co_info told = info();
    EXPECT_EQ(told.passage_version, static_cast<co_u32>(CO_PASSAGE_VERSION));
    EXPECT_EQ(told.tsc_khz, host().tsc_khz);
    EXPECT_EQ(told.host_cr4, this_cpu().cr4);
    EXPECT_EQ(told.host_xcr0, 7u);
    EXPECT_EQ(told.guests, 1u);
    EXPECT_EQ(told.frames, host().frames());
}

TEST_F(DriverTest, Xcr0IsZeroWithoutXsave)
{
    this_cpu().make_plain();
    EXPECT_EQ(info().host_xcr0, 0u);
}

// Bug: 6 ms were a tick and a half only where the host has 250 ticks a second.
TEST_F(DriverTest, LongestStayInAGuestIsTheHosts)
{
    host().longest_stay_us = 12'500;
    host().tsc_khz = 2'000'000;
    restart(0);
    EXPECT_EQ(CpuWatch::limit(), 25'000'000u);
}

TEST_F(DriverTest, MachineWithoutNxIsRefused)
{
    this_cpu().leaves[{0x8000'0001, 0}].edx &= ~(1u << 20);
    EXPECT_EQ(restart(0), CO_REFUSAL_NO_NX);
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
    EXPECT_EQ(info().refusals, CO_REFUSAL_NO_NX);
}

TEST_F(DriverTest, MachineWithoutFxsrIsRefused)
{
    this_cpu().leaves[{1, 0}].edx &= ~(1u << 24);
    EXPECT_EQ(restart(0), CO_REFUSAL_NO_FXSR);
}

TEST_F(DriverTest, MachineWithoutUsableTscIsRefused)
{
    host().tsc_khz = 0;
    EXPECT_EQ(restart(0), CO_REFUSAL_NO_INVARIANT_TSC);
}

TEST_F(DriverTest, HostThatDoesNotTrustItsTscIsRefusedAlsoWhenItFindsOutLater)
{
    host().tsc_is_unstable = true;
    EXPECT_EQ(restart(0), CO_REFUSAL_TSC_UNSTABLE);
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
    host().tsc_is_unstable = false;
    EXPECT_EQ(restart(0), 0u);
    host().tsc_is_unstable = true;
    EXPECT_EQ(info().refusals, CO_REFUSAL_TSC_UNSTABLE);
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
}

TEST_F(DriverTest, HostThatRunsOnFredIsRefused)
{
    this_cpu().cr4 |= cpu::kCr4Fred;
    EXPECT_EQ(restart(0), CO_REFUSAL_FRED);
}

TEST_F(DriverTest, HostWithSupervisorShadowStacksIsRefused)
{
    this_cpu().cr4 |= cpu::kCr4Cet;
    this_cpu().msrs[cpu::Msr::SCet] = 1;
    EXPECT_EQ(restart(0), CO_REFUSAL_SHADOW_STACK);
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
}

TEST_F(DriverTest, HostWithIndirectBranchTrackingIsFit)
{
    constexpr std::uint64_t kEndbrEn = 1u << 2;
    this_cpu().cr4 |= cpu::kCr4Cet;
    this_cpu().msrs[cpu::Msr::SCet] = kEndbrEn;
    EXPECT_EQ(restart(0), 0u);
}

TEST_F(DriverTest, LeftoverOfSCetDoesNotMatterWithoutCet)
{
    this_cpu().msrs[cpu::Msr::SCet] = 1;
    EXPECT_EQ(restart(0), 0u);
}

TEST_F(DriverTest, HostWithUserInterruptsIsRefused)
{
    this_cpu().cr4 |= cpu::kCr4Uintr;
    EXPECT_EQ(restart(0), CO_REFUSAL_UINTR);
}

TEST_F(DriverTest, HostWithAnUnknownBitInCr4IsRefused)
{
    for (unsigned bit : {15u, 26u, 31u, 33u, 63u}) {
        std::uint64_t before = this_cpu().cr4;
        this_cpu().cr4 |= 1ull << bit;
        EXPECT_EQ(restart(0), CO_REFUSAL_UNKNOWN_CR4) << bit;
        this_cpu().cr4 = before;
    }
}

// CR4 is exchanged as a whole, and what these bits turn on stays in the CPU, without effect in the guest.
TEST_F(DriverTest, HostWithWhatHasNoEffectInTheGuestIsFit)
{
    constexpr std::uint64_t kVmxe = 1u << 13, kSmxe = 1u << 14, kKl = 1u << 19, kPks = 1u << 24, kLass = 1u << 27, kLamSup = 1u << 28;
    this_cpu().cr4 |= kVmxe | kSmxe | kKl | kPks | kLass | kLamSup;
    EXPECT_EQ(restart(0), 0u);
}

TEST_F(DriverTest, StateThatTheHostTurnsOnLaterIsRefusedToo)
{
    this_cpu().cr4 |= cpu::kCr4Uintr;
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
    EXPECT_EQ(info().refusals, CO_REFUSAL_UINTR);
    this_cpu().cr4 &= ~cpu::kCr4Uintr;
    EXPECT_EQ(create({1, 0, 0, 0}), 0);
}

TEST_F(DriverTest, HostThatUsesTheWindowItselfIsRefused)
{
    host().window_is_taken = true;
    EXPECT_EQ(restart(0), CO_REFUSAL_WINDOW);
    EXPECT_EQ(create({1, 0, 0, 0}), -static_cast<co_s64>(Error::NoDevice));
}

TEST_F(DriverTest, RefusalsOfTheGlueAreAddedToTheCores)
{
    this_cpu().cr4 |= cpu::kCr4Fred;
    EXPECT_EQ(restart(CO_REFUSAL_XEN_PV), CO_REFUSAL_FRED | CO_REFUSAL_XEN_PV);
}

TEST_F(DriverTest, GuestWithUnusableParametersIsRejected)
{
    EXPECT_EQ(create({0, 0, 0, 0}), -22);
    EXPECT_EQ(create({CO_MAX_VCPUS + 1, 0, 0, 0}), -22);
    EXPECT_EQ(create({1, 1, 0, 0}), -22);
    EXPECT_EQ(create({1, 0, 0, 1}), -22);
    EXPECT_EQ(create({CO_MAX_VCPUS, 0, 0, 0}), 0);
}

TEST_F(DriverTest, GuestWithoutHeapIsAnError)
{
    for (unsigned failing : {0u, 1u}) { // the monitor, its lock
        host().allocations_until_failure = failing;
        EXPECT_EQ(create({1, 0, 0, 0}), -12);
    }
    host().allocations_until_failure = -1;
}

TEST_F(DriverTest, UnknownRequestsAreRejected)
{
    TestGuest guest;
    EXPECT_EQ(co_core_device_request(CO_RUN, nullptr, nullptr), -25);
    EXPECT_EQ(guest.request(CO_RUN, nullptr), -25);
    EXPECT_EQ(guest.vcpu_request(0, CO_CREATE_VCPU), -25);
}

TEST_F(DriverTest, TwoGuestsHaveMemoryOfTheirOwn)
{
    TestGuest first, second;
    EXPECT_NE(first.ram(), second.ram());
    EXPECT_EQ(info().guests, 2u);
}

TEST_F(DriverTest, HostThatEndsEndsEveryGuest)
{
    TestGuest first, last;
    { TestGuest gone_before; }
    co_core_end_guests(CO_KILL_HOST_ENDS);
    for (TestGuest* guest : {&first, &last}) {
        EXPECT_EQ(guest->run(), static_cast<unsigned>(CO_EXIT_KILLED));
        EXPECT_EQ(guest->run_page().arg[0], static_cast<co_u64>(CO_KILL_HOST_ENDS));
    }
    EXPECT_EQ(info().guests, 2u); // their files are still open
}

TEST_F(DriverTest, EveryGuestSetsItsClockWhenTheHostHasSlept)
{
    TestGuest first, last;
    co_core_set_clocks();
    EXPECT_EQ(first.page(0).pending, 1ull << CO_PENDING_CLOCK);
    EXPECT_EQ(last.page(0).pending, 1ull << CO_PENDING_CLOCK);
}

TEST_F(DriverTest, HostThatEndsReachesAGuestOfWhichOnlyAVcpuIsOpen)
{
    TestGuest guest;
    guest.close_guest();
    co_core_end_guests(CO_KILL_HOST_ENDS);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
}

} // namespace

} // namespace colinux
