// SPDX-License-Identifier: GPL-2.0
// EntryCheck: a guest whose CPU state or page tables can no longer be entered is ended, by name, instead of the machine.
#include "tests/fakes/window_tables.hpp"
#include "tests/unit/core/core_test.hpp"

#include <cstring>

namespace colinux {

namespace {

constexpr std::uint64_t kCanonicalHole = 0x0000'8000'0000'0000;

class EntryCheckTest : public CoreTest {
protected:
    TestGuest guest;
    ScriptedGuest script;

    std::uint64_t root() const { return guest.entry().cr3; }
    std::uint64_t& entry_of(unsigned level) { return passage_entry(root(), level); }
    // Of the last table, which is the guest's memory's first page
    std::uint64_t& data_entry()
    {
        return static_cast<std::uint64_t*>(host().address_of(guest.ram()))[guest.passage_virt() >> 12 & 511];
    }
    // What the guest left with: it is not entered again, and this is why
    void expect_refused(unsigned item, ScriptedGuest::Step damage)
    {
        script.then([damage](co_passage& page) {
            damage(page);
            ScriptedGuest::leave(page, CO_CALL_YIELD);
        });
        EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
        EXPECT_EQ(guest.run_page().arg[0], static_cast<co_u64>(CO_KILL_BAD_STATE));
        EXPECT_EQ(guest.run_page().arg[1], item);
        EXPECT_EQ(host().count("cross"), 1u);
    }
    static void set_task(co_passage& page, std::uint64_t low, std::uint64_t high = 0xffff'ffff)
    {
        page.guest.tr = 0x40;
        page.guest.passage_gdt[8] = low;
        page.guest.passage_gdt[9] = high;
    }
};

TEST_F(EntryCheckTest, SoundStateIsEntered)
{
    script.then([](co_passage& page) {
        set_task(page, 0xff00'8980'9000'0067); // at kVirt + 0x9000
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
    EXPECT_EQ(host().count("cross"), 2u);
}

TEST_F(EntryCheckTest, Cr3OutsideGuestRam)
{
    expect_refused(CO_BAD_STATE_CR3, [](co_passage& page) { page.guest.cr3 = 0x5000; });
}

TEST_F(EntryCheckTest, Cr3BeyondTheLastRun)
{
    expect_refused(CO_BAD_STATE_CR3, [this](co_passage& page) { page.guest.cr3 = guest.ram() + TestGuest::kBytes; });
}

TEST_F(EntryCheckTest, OtherTablesThatMapTheSameWindowAreFine)
{
    build_window_tables(guest.ram() + 0x20'0000, guest.ram(), guest.ram());
    script.then([this](co_passage& page) {
        page.guest.cr3 = guest.ram() + 0x20'0000;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(EntryCheckTest, AccessedBitIsNoChange)
{
    script.then([this](co_passage& page) {
        entry_of(3) |= 1 << 5;
        ScriptedGuest::leave(page, CO_CALL_CLOCK);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

class LostWindowTest : public EntryCheckTest, public testing::WithParamInterface<unsigned> {};

TEST_P(LostWindowTest, DirectoryWithoutIt)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(GetParam()) = 0; });
}

TEST_P(LostWindowTest, TableOutsideGuestRamIsNotEvenRead)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(GetParam()) = 0xfee0'0003; });
}

TEST_P(LostWindowTest, DirectoryThatForbidsExecution)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(GetParam()) |= 1ull << 63; });
}

TEST_P(LostWindowTest, DirectoryThatForbidsWrites)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(GetParam()) &= ~2ull; });
}

TEST_P(LostWindowTest, DirectoryThatBecameALargePage)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(GetParam()) |= 1 << 7; });
}

INSTANTIATE_TEST_SUITE_P(EachLevel, LostWindowTest, testing::Values(2u, 3u, 4u));

TEST_F(EntryCheckTest, AnotherTableOfGuestRam)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(2) += kPageSize; });
}

TEST_F(EntryCheckTest, CodePageThatBecameAnother)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { entry_of(1) += kPageSize; });
}

TEST_F(EntryCheckTest, DataPageThatCannotBeWritten)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { data_entry() &= ~2ull; });
}

TEST_F(EntryCheckTest, WholeTableErased)
{
    expect_refused(CO_BAD_STATE_WINDOW, [this](co_passage&) { memset(host().address_of(root()), 0, kPageSize); });
}

TEST_F(EntryCheckTest, IdtThatIsNotMapped)
{
    expect_refused(CO_BAD_STATE_IDT, [](co_passage& page) { page.guest.idtr.base = 0x1000; });
}

TEST_F(EntryCheckTest, IdtAtAnImpossibleAddress)
{
    expect_refused(CO_BAD_STATE_IDT, [](co_passage& page) { page.guest.idtr.base = kCanonicalHole; });
}

TEST_F(EntryCheckTest, IdtThatWrapsAround)
{
    expect_refused(CO_BAD_STATE_IDT, [](co_passage& page) { page.guest.idtr.base = ~0ull; });
}

TEST_F(EntryCheckTest, GdtWithoutTheKernelsCodeSegment)
{
    expect_refused(CO_BAD_STATE_GDT, [](co_passage& page) { page.guest.gdtr.limit = 0x10; });
}

TEST_F(EntryCheckTest, GdtThatIsNotMapped)
{
    expect_refused(CO_BAD_STATE_GDT, [](co_passage& page) { page.guest.gdtr.base = 0; });
}

TEST_F(EntryCheckTest, TaskRegisterBesideTheTable)
{
    expect_refused(CO_BAD_STATE_TSS, [](co_passage& page) { page.guest.tr = 0xfff8; });
}

TEST_F(EntryCheckTest, TaskRegisterOfAnotherKindOfDescriptor)
{
    expect_refused(CO_BAD_STATE_TSS, [](co_passage& page) { set_task(page, 0x00af'9b00'0000'ffff); });
}

TEST_F(EntryCheckTest, TaskStateThatIsNotMapped)
{
    expect_refused(CO_BAD_STATE_TSS, [](co_passage& page) { set_task(page, 0x0000'8900'9000'0067, 0); });
}

TEST_F(EntryCheckTest, TaskRegisterThatWasLost)
{
    script.then([](co_passage& page) {
        set_task(page, 0xff00'8980'9000'0067);
        ScriptedGuest::leave(page, CO_CALL_YIELD);
    });
    script.then([](co_passage& page) {
        page.guest.tr = 0;
        ScriptedGuest::leave(page, CO_CALL_YIELD);
    });
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    EXPECT_EQ(guest.run_page().arg[1], static_cast<co_u64>(CO_BAD_STATE_TSS));
}

struct BadMsr {
    unsigned index;
    std::uint64_t value;
};

class BadMsrTest : public EntryCheckTest, public testing::WithParamInterface<BadMsr> {};

// Bug: WRMSR of such a value, in the driver, was a general protection fault of the host's kernel.
TEST_P(BadMsrTest, IsNeverWritten)
{
    expect_refused(CO_BAD_STATE_MSR, [](co_passage& page) { page.msr[GetParam().index] = GetParam().value; });
    for (auto [msr, value] : this_cpu().msrs)
        EXPECT_NE(value, GetParam().value);
}

INSTANTIATE_TEST_SUITE_P(All, BadMsrTest,
                         testing::Values(BadMsr{CO_MSR_LSTAR, kCanonicalHole}, BadMsr{CO_MSR_CSTAR, 1ull << 63},
                                         BadMsr{CO_MSR_SYSENTER_ESP, kCanonicalHole}, BadMsr{CO_MSR_SYSENTER_EIP, kCanonicalHole},
                                         BadMsr{CO_MSR_SFMASK, 1ull << 32}, BadMsr{CO_MSR_TSC_AUX, 1ull << 32},
                                         BadMsr{CO_MSR_SYSENTER_CS, 1ull << 32}, BadMsr{CO_MSR_PAT, 0x0007'0406'0207'0406},
                                         BadMsr{CO_MSR_XSS, 1ull << 20}));

} // namespace

} // namespace colinux
