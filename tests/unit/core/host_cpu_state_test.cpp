// SPDX-License-Identifier: GPL-2.0
// HostCpuState: which registers are written when, and that the host has its own back afterwards.
#include "tests/unit/core/core_test.hpp"

#include "core/host_cpu_state.hpp"

#include <algorithm>
#include <utility>

namespace colinux {

namespace {

using cpu::Msr;
constexpr std::uint64_t kGuestLstar = 0xffff'ffff'8123'4560, kGuestPat = 0x0007'0406'0007'0406;
constexpr std::uint64_t kArmed = 0x401;
constexpr std::uint64_t kAmxHost = 0x6'02e7, kAvx512 = 0x2e7, kSse = 3; // XCR0

class HostCpuStateTest : public CoreTest {
protected:
    co_passage page{};
    HostCpuState state;
    FakeCpu before; // what the host's CPU looks like

    void begin()
    {
        HostCpuState::detect();
        before = this_cpu();
        page.guest.dr7 = cpu::kDr7Off;
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

    // A handler of the host, between two crossings
    template <typename Deed>
    void host_handler(InterruptsOff& off, Deed deed)
    {
        deed();
        state.host_has_run(off, page);
    }

    template <typename Deed>
    void crossing(InterruptsOff& off, Deed deed)
    {
        state.before_switch(off, page);
        exchange_dr7();
        deed();
        exchange_dr7();
        state.after_switch(off, page);
    }

    void exchange_dr7() // the switch does
    {
        std::uint64_t other = page.guest.dr7;
        page.guest.dr7 = this_cpu().debug[7];
        this_cpu().debug[7] = other;
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
        EXPECT_EQ(this_cpu().selectors, before.selectors);
        EXPECT_EQ(this_cpu().fs_base, before.fs_base);
        EXPECT_TRUE(std::equal(std::begin(before.debug), std::end(before.debug), this_cpu().debug));
    }
};

TEST_F(HostCpuStateTest, TaskPriorityOfTheHostIsItsOwnInItsHandlersAndNoneInTheGuest)
{
    constexpr std::uint64_t kDispatch = 2;
    begin();
    this_cpu().cr8 = kDispatch;
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [] { EXPECT_EQ(this_cpu().cr8, 0u); });
    state.host_will_run(off);
    EXPECT_EQ(this_cpu().cr8, kDispatch);
    state.host_has_run(off, page);
    crossing(off, [] { EXPECT_EQ(this_cpu().cr8, 0u); });
    state.leave_guest_mode(off, page);
    EXPECT_EQ(this_cpu().cr8, kDispatch);
}

TEST_F(HostCpuStateTest, TaskPriorityThatAGuestLeavesIsNotTheHosts)
{
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [] { this_cpu().cr8 = 15; });
    state.host_will_run(off);
    EXPECT_EQ(this_cpu().cr8, 0u);
    state.host_has_run(off, page);
    crossing(off, [] { this_cpu().cr8 = 15; });
    state.leave_guest_mode(off, page);
    EXPECT_EQ(this_cpu().cr8, 0u);
}

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
    EXPECT_EQ(this_cpu().writes.size(), 1u) << "the inactive GS base, per burst";
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
    EXPECT_EQ(this_cpu().writes.size(), 3u) << "and the inactive GS base";
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

// x87, SSE, AVX, AVX-512, PKRU and AMX in the host; the guest kernel turns on what its CPUID shows: no AMX, or no AVX-512 at all.
TEST_F(HostCpuStateTest, Avx512AndAmxOfTheHostAreOnAgainWhateverTheGuestHasOn)
{
    this_cpu().xcr0 = kAmxHost;
    begin();
    burst([] { EXPECT_EQ(this_cpu().xcr0, kAmxHost) << "until the guest sets its own"; });
    burst([] { this_cpu().xcr0 = kAvx512; }, [] { EXPECT_EQ(this_cpu().xcr0, kAvx512); }, [] { this_cpu().xcr0 = kSse; });
    expect_host_as_before();
    burst([] { EXPECT_EQ(this_cpu().xcr0, kSse); });
    EXPECT_EQ(this_cpu().xcr0_writes, 5u + 2u) << "there and back at each crossing, from the first way back on";
}

TEST_F(HostCpuStateTest, Xcr0IsTheHostsForItsHandlersBetweenTwoCrossings)
{
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [] { this_cpu().xcr0 = 3; });
    host_handler(off, [&] { EXPECT_EQ(this_cpu().xcr0, before.xcr0); });
    crossing(off, [] { EXPECT_EQ(this_cpu().xcr0, 3u); });
    state.leave_guest_mode(off, page);
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

TEST_F(HostCpuStateTest, SpecCtrlIsWrittenAtEachCrossingOnlyWhileTheWorldsDiffer)
{
    begin();
    burst([] {}, [] {});
    EXPECT_EQ(this_cpu().writes_of(Msr::SpecCtrl), 0u);
    burst([] { this_cpu().msrs[Msr::SpecCtrl] = 4; }, [] { EXPECT_EQ(this_cpu().msr(Msr::SpecCtrl), 4u); });
    EXPECT_EQ(this_cpu().writes_of(Msr::SpecCtrl), 3u) << "back, there and back";
}

// The host's own changes with its threads (STIBP, SSBD by prctl): read at the start of each burst
TEST_F(HostCpuStateTest, SpecCtrlThatTheHostHasChangedBetweenBurstsComesBack)
{
    begin();
    burst([] { this_cpu().msrs[Msr::SpecCtrl] = 4; });
    this_cpu().msrs[Msr::SpecCtrl] = 2;
    burst([] { EXPECT_EQ(this_cpu().msr(Msr::SpecCtrl), 4u); });
    EXPECT_EQ(this_cpu().msr(Msr::SpecCtrl), 2u);
}

TEST_F(HostCpuStateTest, PatAndXssAreTheHostsForItsHandlersBetweenTwoCrossings)
{
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [&] { guest_writes(CO_MSR_PAT, Msr::Pat, kGuestPat), guest_writes(CO_MSR_XSS, Msr::Xss, 0); });
    host_handler(off, [&] {
        EXPECT_EQ(this_cpu().msr(Msr::Pat), before.msr(Msr::Pat));
        EXPECT_EQ(this_cpu().msr(Msr::Xss), before.msr(Msr::Xss));
    });
    crossing(off, [] {
        EXPECT_EQ(this_cpu().msr(Msr::Pat), kGuestPat);
        EXPECT_EQ(this_cpu().msr(Msr::Xss), 0u);
    });
    state.leave_guest_mode(off, page);
    expect_host_as_before();
}

TEST_F(HostCpuStateTest, TscAuxIsTheGuestsForAWholeBurst)
{
    begin();
    burst([&] { guest_writes(CO_MSR_TSC_AUX, Msr::TscAux, 77); }, [] {}, [] {});
    expect_host_as_before();
    burst([] { EXPECT_EQ(this_cpu().msr(Msr::TscAux), 77u); }, [] { EXPECT_EQ(this_cpu().msr(Msr::TscAux), 77u); });
    EXPECT_EQ(this_cpu().writes_of(Msr::TscAux), 2u);
}

TEST_F(HostCpuStateTest, TscAuxOfACpuWithRdpidOnlyIsExchanged)
{
    this_cpu().leaves[{0x8000'0001, 0}].edx &= ~(1u << 27);
    this_cpu().leaves[{7, 0}].ecx |= 1u << 22;
    begin();
    burst([&] { guest_writes(CO_MSR_TSC_AUX, Msr::TscAux, 77); });
    expect_host_as_before();
}

// Supervisor shadow stacks keep a host out (driver_test.cpp); what else of CET and PKS it has on stays in these registers,
// which have no effect in the guest, where CR4.CET and CR4.PKS are 0.
TEST_F(HostCpuStateTest, StateThatIsNotCarriedIsNotTouched)
{
    this_cpu().msrs[Msr::SCet] = 4;
    begin();
    burst([] { this_cpu().xcr0 = 3; }, [] {});
    EXPECT_EQ(this_cpu().writes_of(Msr::SCet), 0u);
    EXPECT_EQ(this_cpu().msr(Msr::SCet), 4u);
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

// Bug: DR6 of a guest that had disarmed the breakpoint it met stayed in the host, whose next breakpoint was taken for two.
TEST_F(HostCpuStateTest, StatusOfADisarmedBreakpointStaysTheGuests)
{
    begin();
    burst([] { this_cpu().debug[6] = 0xffff0ff2; }, [] { EXPECT_EQ(this_cpu().debug[6], 0xffff0ff2u); });
    EXPECT_EQ(this_cpu().debug[6], 0xffff0ff0u);
    burst([] { EXPECT_EQ(this_cpu().debug[6], 0xffff0ff2u); });
}

TEST_F(HostCpuStateTest, AddressesWithoutABreakpointSurviveTheHosts)
{
    begin();
    burst([] { this_cpu().debug[0] = 0x1234; });
    this_cpu().debug[0] = 0x5678; // the host had a breakpoint meanwhile
    burst([] { EXPECT_EQ(this_cpu().debug[0], 0x1234u); });
    EXPECT_EQ(this_cpu().debug[7], before.debug[7]);
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
    host_handler(off, [] { this_cpu().debug[0] = 0x5678, this_cpu().debug[7] = kArmed; });
    crossing(off, [] { EXPECT_EQ(this_cpu().debug[7], 0x400u); });
    EXPECT_EQ(this_cpu().debug[0], 0x5678u);
    EXPECT_EQ(this_cpu().debug[7], kArmed);
    state.leave_guest_mode(off, page);
}

// Bug: a process of the host that hit its own breakpoint later got a SIGTRAP for the guest's bits in DR6.
TEST_F(HostCpuStateTest, BreakpointStatusOfTheGuestStaysTheGuests)
{
    begin();
    burst([] { this_cpu().debug[6] = 0xffff4ff1, this_cpu().debug[7] = kArmed; });
    EXPECT_EQ(this_cpu().debug[6], before.debug[6]);
    burst([] { EXPECT_EQ(this_cpu().debug[6], 0xffff4ff1u); });
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

// Bug: a breakpoint of the guest on the switch code, which the host has at the same address, was met by the host's kernel
// for ever (tests/payloads/faults.h: breakpoints_in_passage).
TEST_F(HostCpuStateTest, GuestsBreakpointsAreArmedByTheSwitchItself)
{
    begin();
    burst([] { this_cpu().debug[0] = CO_PASSAGE_VIRT, this_cpu().debug[7] = kArmed; });
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    state.before_switch(off, page);
    EXPECT_EQ(this_cpu().debug[7], cpu::kDr7Off);
    EXPECT_EQ(page.guest.dr7, kArmed);
    state.after_switch(off, page);
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

// Bug: PEBS was stopped once per burst. An interrupt amid one in which the host's perf turned it on left it on in the guest, where its
// records go to an address of the guest's; and what was noted at the start was written back at the end, also when perf had gone.
TEST_F(HostCpuStateTest, PebsThatAHandlerTurnsOnOrOffIsAsItSaysWhenItRuns)
{
    this_cpu().msrs[Msr::MiscEnable] = 0;
    this_cpu().msrs[Msr::PebsEnable] = 1;
    this_cpu().msrs[Msr::DebugCtl] = 0;
    this_cpu().leaves[{1, 0}].edx |= 1u << 21;
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    std::uint64_t last = 1;
    for (std::uint64_t next : {3u, 2u, 0u}) {
        crossing(off, [] { EXPECT_EQ(this_cpu().msr(Msr::PebsEnable), 0u); });
        state.host_will_run(off);
        host_handler(off, [&] { EXPECT_EQ(std::exchange(this_cpu().msrs[Msr::PebsEnable], next), last) << "what perf had left there"; });
        EXPECT_EQ(this_cpu().msr(Msr::PebsEnable), 0u);
        last = next;
    }
    state.leave_guest_mode(off, page);
    EXPECT_EQ(this_cpu().msr(Msr::PebsEnable), 0u);
}

// As doorbells have it: no handler of the host
TEST_F(HostCpuStateTest, CallsOfTheGuestDoNotTouchPebs)
{
    this_cpu().msrs[Msr::MiscEnable] = 0;
    this_cpu().msrs[Msr::PebsEnable] = 1;
    this_cpu().msrs[Msr::DebugCtl] = 0;
    this_cpu().leaves[{1, 0}].edx |= 1u << 21;
    begin();
    burst([] {}, [] {}, [] {});
    EXPECT_EQ(this_cpu().writes_of(Msr::PebsEnable), 2u);
}

TEST_F(HostCpuStateTest, UserStateIsTheGuestsInTheBurstAndTheHostsAfterIt)
{
    this_cpu().selectors = {1, 2, 3, 4, 5};
    begin();
    EXPECT_EQ(page.user.load, 0u);
    burst([&] {
        this_cpu().selectors = {0x2b, 0x2b, 0x53, 0, 0};
        this_cpu().fs_base = 0x7000;
        this_cpu().msrs[Msr::KernelGsBase] = 0x8000;
    }, [] { EXPECT_EQ(this_cpu().fs_base, 0x7000u); });
    expect_host_as_before();
    EXPECT_EQ(page.user.fs_base, 0x7000u);
    EXPECT_EQ(page.user.kernel_gs_base, 0x8000u);
    EXPECT_EQ(page.user.fs, 0x53u);
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    EXPECT_NE(page.user.load, 0u) << "by the switch, in the guest";
    state.leave_guest_mode(off, page);
}

TEST_F(HostCpuStateTest, FaultAddressOfTheGuestSurvivesThoseOfTheHostsHandlers)
{
    begin();
    InterruptsOff off;
    state.enter_guest_mode(off, page);
    crossing(off, [] { this_cpu().cr2 = 0x1234; });
    host_handler(off, [] { this_cpu().cr2 = 0x5678; });
    crossing(off, [] { EXPECT_EQ(this_cpu().cr2, 0x1234u); });
    state.leave_guest_mode(off, page);
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
