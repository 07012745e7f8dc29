// SPDX-License-Identifier: GPL-2.0
// HostCpuState: which registers are written when, and that the host has its own back afterwards.
#include "tests/unit/core/core_test.hpp"

#include "core/host_cpu_state.hpp"

#include <algorithm>

namespace colinux {

namespace {

using cpu::Msr;
constexpr std::uint64_t kGuestLstar = 0xffff'ffff'8123'4560, kGuestPat = 0x0007'0406'0007'0406;
constexpr std::uint64_t kArmed = 0x401;

class HostCpuStateTest : public CoreTest {
protected:
    co_passage page{};
    HostCpuState state;
    FakeCpu before; // what the host's CPU looks like

    void begin()
    {
        HostCpuState::detect();
        before = this_cpu();
        state.begin();
        burst([] {});
    }

    // One burst with as many crossings as there are guests' deeds
    template <typename... Deeds>
    void burst(Deeds... deeds)
    {
        InterruptsOff off;
        this_cpu().writes.clear();
        state.enter_guest_mode(off, page);
        (crossing(off, deeds), ...);
        state.leave_guest_mode(off, page);
    }

    template <typename Deed>
    void crossing(InterruptsOff& off, Deed deed)
    {
        state.before_switch(off, page);
        deed();
        state.after_switch(off, page);
    }

    // The guest writes an MSR as its filter does
    void guest_writes(unsigned index, Msr msr, std::uint64_t value)
    {
        page.msr[index] = value;
        this_cpu().msrs[msr] = value;
    }

    void expect_host_as_before()
    {
        EXPECT_EQ(this_cpu().msrs, before.msrs);
        EXPECT_EQ(this_cpu().xcr0, before.xcr0);
        EXPECT_EQ(this_cpu().pkru, before.pkru);
        EXPECT_TRUE(std::equal(std::begin(before.debug), std::end(before.debug), this_cpu().debug));
    }
};

TEST_F(HostCpuStateTest, GuestBeginsWithTheHostsValues)
{
    begin();
    EXPECT_EQ(page.msr[CO_MSR_LSTAR], before.msr(Msr::Lstar));
    EXPECT_EQ(page.msr[CO_MSR_PAT], before.msr(Msr::Pat));
    EXPECT_EQ(page.msr[CO_MSR_XSS], before.msr(Msr::Xss));
}

TEST_F(HostCpuStateTest, NothingIsWrittenWhileTheWorldsAgree)
{
    begin();
    burst([] {}, [] {});
    EXPECT_TRUE(this_cpu().writes.empty());
    EXPECT_EQ(this_cpu().xcr0_writes, 0u);
    EXPECT_EQ(this_cpu().debug_writes, 0u);
}

TEST_F(HostCpuStateTest, SystemCallMsrIsExchangedOncePerBurst)
{
    begin();
    burst([&] { guest_writes(CO_MSR_LSTAR, Msr::Lstar, kGuestLstar); });
    expect_host_as_before();
    burst([&] { EXPECT_EQ(this_cpu().msr(Msr::Lstar), kGuestLstar); }, [] {}, [] {});
    EXPECT_EQ(this_cpu().writes_of(Msr::Lstar), 2u);
    EXPECT_EQ(this_cpu().writes.size(), 2u) << "and no other";
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, PatAndXssAreExchangedAtEachCrossing)
{
    begin();
    burst([&] { guest_writes(CO_MSR_PAT, Msr::Pat, kGuestPat); }, [&] { EXPECT_EQ(this_cpu().msr(Msr::Pat), kGuestPat); });
    EXPECT_EQ(this_cpu().writes_of(Msr::Pat), 3u) << "back, there and back";
    burst([&] { guest_writes(CO_MSR_XSS, Msr::Xss, 0); }, [&] { EXPECT_EQ(this_cpu().msr(Msr::Xss), 0u); });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, UnsureMsrsAreAllWrittenBack)
{
    begin();
    // An NMI came between the filter's two stores: the page says the host's value, the hardware has the guest's
    burst([&] {
        this_cpu().msrs[Msr::Lstar] = kGuestLstar;
        this_cpu().msrs[Msr::Pat] = kGuestPat;
        page.msr_unsure = 1;
    });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, Xcr0OfTheGuestIsKeptAndTheHostsRestored)
{
    begin();
    burst([] { this_cpu().xcr0 = 3; }, [] { EXPECT_EQ(this_cpu().xcr0, 3u); });
    expect_host_as_before();
    burst([] { EXPECT_EQ(this_cpu().xcr0, 3u); });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, PkruOfTheGuestIsKeptAndTheHostsRestored)
{
    begin();
    burst([] { this_cpu().pkru = 0x30; }, [] { EXPECT_EQ(this_cpu().pkru, 0x30u); });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, SpecCtrlOfTheGuestIsKeptAndTheHostsRestored)
{
    this_cpu().msrs[Msr::SpecCtrl] = 1;
    begin();
    burst([] { EXPECT_EQ(this_cpu().msr(Msr::SpecCtrl), 0u); }, [] { this_cpu().msrs[Msr::SpecCtrl] = 4; });
    expect_host_as_before();
    burst([] { EXPECT_EQ(this_cpu().msr(Msr::SpecCtrl), 4u); });
}

TEST_F(HostCpuStateTest, BreakpointsOfTheGuestAreDisarmedInTheHostAndBackInTheGuest)
{
    begin();
    burst([] { this_cpu().debug[0] = 0x1234, this_cpu().debug[7] = kArmed; });
    EXPECT_EQ(this_cpu().debug[7], 0x400u);
    this_cpu().debug[0] = 0x9999; // somebody else's leftovers
    burst([] {
        EXPECT_EQ(this_cpu().debug[0], 0x1234u);
        EXPECT_EQ(this_cpu().debug[7], kArmed);
    });
}

TEST_F(HostCpuStateTest, BreakpointsOfTheHostAreDisarmedInTheGuestAndBackInTheHost)
{
    this_cpu().debug[0] = 0x5678;
    this_cpu().debug[7] = kArmed;
    begin();
    burst([] { EXPECT_EQ(this_cpu().debug[7], 0x400u); });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, BreakpointsOfBothWorldsAreEachInTheirOwn)
{
    this_cpu().debug[0] = 0x5678;
    this_cpu().debug[7] = kArmed;
    begin();
    auto arm = [] { this_cpu().debug[0] = 0x1234, this_cpu().debug[7] = kArmed; };
    auto check = [] { EXPECT_EQ(this_cpu().debug[0], 0x1234u); };
    burst(arm, check);
    expect_host_as_before();
    burst(check);
    expect_host_as_before();
}

// Bug: a breakpoint that an interrupt handler of the host set between two crossings went to the guest for good.
TEST_F(HostCpuStateTest, BreakpointThatTheHostSetsInABurstStaysTheHosts)
{
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [] {});
    this_cpu().debug[0] = 0x5678;
    this_cpu().debug[7] = kArmed;
    crossing(off, [] { EXPECT_EQ(this_cpu().debug[7], 0x400u); });
    EXPECT_EQ(this_cpu().debug[0], 0x5678u);
    EXPECT_EQ(this_cpu().debug[7], kArmed);
    state.leave_guest_mode(off, page);
}

// Bug: the guest's breakpoints were armed from enter_guest_mode() on, while the host still ran.
TEST_F(HostCpuStateTest, GuestsBreakpointsAreNotArmedBeforeTheCrossing)
{
    this_cpu().debug[7] = kArmed;
    begin();
    burst([] { this_cpu().debug[0] = 0x1234, this_cpu().debug[7] = kArmed; });
    this_cpu().debug[0] = 0x5678;
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    EXPECT_EQ(this_cpu().debug[0], 0x5678u);
    state.leave_guest_mode(off, page);
}

TEST_F(HostCpuStateTest, EachCpusOwnValuesAreRestoredAfterAMove)
{
    begin();
    burst([&] { guest_writes(CO_MSR_TSC_AUX, Msr::TscAux, 77); });
    expect_host_as_before();
    host().current_cpu = 1;
    this_cpu().msrs[Msr::TscAux] = 1;
    before = this_cpu();
    burst([] { EXPECT_EQ(this_cpu().msr(Msr::TscAux), 77u); });
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, PebsAndBtsOfTheHostRestWhileTheGuestRuns)
{
    this_cpu().msrs[Msr::MiscEnable] = 0;
    this_cpu().msrs[Msr::PebsEnable] = 1;
    this_cpu().msrs[Msr::DebugCtl] = 0xc0;
    this_cpu().leaves[{1, 0}].edx |= 1u << 21;
    begin();
    burst([&] {
        EXPECT_EQ(this_cpu().msr(Msr::PebsEnable), 0u);
        EXPECT_EQ(this_cpu().msr(Msr::DebugCtl), 0u);
    });
    EXPECT_EQ(this_cpu().msr(Msr::PebsEnable), 1u);
    EXPECT_EQ(this_cpu().msr(Msr::DebugCtl), 0xc0u);
}

TEST_F(HostCpuStateTest, AbsentRegistersAreNotTouched) // the fake CPU reports it
{
    this_cpu().make_plain();
    begin();
    page.msr[CO_MSR_XSS] = page.msr[CO_MSR_TSC_AUX] = 5;
    page.msr_unsure = 1;
    burst([] {}, [] {});
    expect_host_as_before();
}

} // namespace

} // namespace colinux
