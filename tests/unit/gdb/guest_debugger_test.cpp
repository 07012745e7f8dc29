// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/inspect/standing_guest.hpp"
#include "vmm/gdb/guest_debugger.hpp"

#include <colinux/abi.h>

#include <gtest/gtest.h>

#include <cstddef>

namespace colinux::testing {
namespace {

using Go = DebugTarget::Go;
constexpr std::uint64_t kCode = StandingGuest::kText + 0x1800; // outer_function
constexpr std::uint64_t kSaved = StandingGuest::kStack + 0x2000; // struct pt_regs
constexpr std::uint64_t kTrap = SingleStep::kTrapFlag, kInterrupt = SingleStep::kInterruptFlag;
constexpr std::uint64_t kDr6Step = 1 << 14;

class FakeCpus final : public GuestCpus {
public:
    explicit FakeCpus(StandingGuest& guest) : guest_{guest} {}
    unsigned count() const override { return 2; }
    void pause(unsigned cpu) override { pauses[cpu]++; }
    void hold(unsigned cpu) override { pauses[cpu]++; }
    bool wait_until_paused(unsigned, std::chrono::milliseconds) override { return can_pause; }
    void resume(unsigned cpu) override { pauses[cpu]--; }
    co_passage passage(unsigned cpu) const override { return guest_.passages[cpu]; }
    unsigned sleep(unsigned cpu) const override { return cpu == 0 ? CO_SLEEP_NONE : CO_SLEEP_STOPPED; }
    void kill() override { killed = true; }

    int pauses[2]{};
    bool can_pause{true}, killed{};

private:
    StandingGuest& guest_;
};

class GuestDebuggerTest : public ::testing::Test {
protected:
    GuestDebuggerTest() { guest.leave(CO_GRAFT_VIRT + 0x110, kSaved - 0x100, kSaved - 0x80); }

    // CPU 0 met an exception there and asks the debugger.
    std::uint64_t meets(unsigned vector, std::uint64_t ip, std::uint64_t flags = kInterrupt, std::uint64_t cs = 0x10)
    {
        InterruptedRegisters registers{};
        registers.ip = ip;
        registers.flags = flags;
        registers.cs = cs;
        registers.ss = 0x18;
        registers.sp = kSaved + 0x800;
        registers.ax = 0xaaaa;
        guest.put(kSaved, registers);
        guest.passages[0].mailbox.call = CO_CALL_DEBUGGER;
        guest.passages[0].mailbox.arg[1] = kSaved;
        return debugger.trapped(0, {vector, kSaved, vector == 1 ? kDr6Step : 0, 0}, [this] { told++; });
    }
    void stops_at_a_breakpoint() // which is taken out, as gdb does before a step
    {
        debugger.insert(0, kCode);
        meets(3, kCode + 1);
        debugger.stop();
        debugger.remove(kCode);
    }
    InterruptedRegisters saved() { return *guest.pages().at<InterruptedRegisters>(kSaved); }
    std::uint8_t byte_at(std::uint64_t virt) { return *guest.pages().at<std::uint8_t>(virt); }

    StandingGuest guest{{},
                        {{"T__noinstr_text_start", StandingGuest::kText + 0x1a00},
                         {"T__noinstr_text_end", StandingGuest::kText + 0x1b00},
                         {"T__start_kprobe_blacklist", StandingGuest::kText + 0x2b00},
                         {"T__stop_kprobe_blacklist", StandingGuest::kText + 0x2b00}}};
    FakeCpus cpus{guest};
    GuestDebugger debugger{cpus, guest.memory, guest.loaded};
    int told{};
};

TEST_F(GuestDebuggerTest, BreakpointIsInMemoryButNotSeen)
{
    guest.put<std::uint32_t>(kCode, 0x44332211);
    EXPECT_EQ(debugger.insert(0, kCode + 1), "");
    EXPECT_EQ(byte_at(kCode + 1), 0xcc);
    EXPECT_EQ(debugger.read(0, kCode, 4), "\x11\x22\x33\x44");
    EXPECT_TRUE(debugger.write(0, kCode, "\x55\x66"));
    EXPECT_EQ(byte_at(kCode + 1), 0xcc);
    debugger.remove(kCode + 1);
    EXPECT_EQ(byte_at(kCode + 1), 0x66);
}

TEST_F(GuestDebuggerTest, WhatTheKernelWroteOverABreakpointStays)
{
    debugger.insert(0, kCode);
    guest.put<std::uint8_t>(kCode, 0x90);
    debugger.remove(kCode);
    EXPECT_EQ(byte_at(kCode), 0x90);
}

TEST_F(GuestDebuggerTest, PlacesThatTheReportOfABreakpointNeedsAreRefused)
{
    EXPECT_NE(debugger.insert(0, StandingGuest::kText + 0x1a80), "") << "noinstr";
    EXPECT_EQ(debugger.insert(0, StandingGuest::kText + 0x1b00), "") << "behind it";
    EXPECT_NE(debugger.insert(0, CO_GRAFT_VIRT + 0x100), "");
    EXPECT_NE(debugger.insert(0, CO_PASSAGE_VIRT), "");
    EXPECT_NE(debugger.insert(0, 0x400000), "") << "a program's";
    EXPECT_NE(debugger.insert(0, 0xffff888000000000), "") << "not mapped";
}

TEST_F(GuestDebuggerTest, CpuThatMeetsABreakpointStandsStillBeforeIt)
{
    debugger.insert(0, kCode);
    EXPECT_EQ(meets(3, kCode + 1), 1u);
    EXPECT_EQ(saved().ip, kCode);
    EXPECT_EQ(cpus.pauses[0], 1);
    EXPECT_EQ(told, 1);
    auto trap = debugger.take_trap();
    ASSERT_TRUE(trap);
    EXPECT_EQ(trap->cpu, 0u);
    EXPECT_TRUE(trap->breakpoint);
    EXPECT_FALSE(debugger.take_trap());
    EXPECT_EQ(debugger.registers(0)[kRip], kCode);
    EXPECT_EQ(debugger.registers(0)[kRax], 0xaaaau);
}

TEST_F(GuestDebuggerTest, Int3OfTheKernelIsItsOwn)
{
    guest.put<std::uint8_t>(kCode, 0xcc);
    EXPECT_EQ(meets(3, kCode + 1), 0u);
    EXPECT_EQ(saved().ip, kCode + 1);
    EXPECT_EQ(cpus.pauses[0], 0);
}

TEST_F(GuestDebuggerTest, BreakpointRemovedUnderWayIsNoneAnyMore)
{
    guest.put<std::uint8_t>(kCode, 0x90);
    EXPECT_EQ(meets(3, kCode + 1), 1u);
    EXPECT_EQ(saved().ip, kCode) << "the instruction is executed";
    EXPECT_EQ(cpus.pauses[0], 0);
}

TEST_F(GuestDebuggerTest, RegistersAreChangedWhereTheExceptionLeftThem)
{
    debugger.insert(0, kCode);
    meets(3, kCode + 1);
    Registers registers = debugger.registers(0);
    registers[kRax] = 7;
    EXPECT_EQ(debugger.set_registers(0, registers), "");
    EXPECT_EQ(saved().ax, 7u);
    registers[kCr3] = 7;
    EXPECT_NE(debugger.set_registers(0, registers), "");
}

TEST_F(GuestDebuggerTest, StepKeepsInterruptsOutAndLeavesNoTrace)
{
    stops_at_a_breakpoint();
    EXPECT_EQ(debugger.go({Go::Step, Go::Hold}), "");
    EXPECT_EQ(saved().flags, kTrap);
    EXPECT_EQ(cpus.pauses[0], 0);
    EXPECT_EQ(cpus.pauses[1], 1);
    debugger.take_trap();
    EXPECT_EQ(meets(1, kCode + 3, kTrap), 1u);
    EXPECT_EQ(saved().flags, kInterrupt);
    EXPECT_EQ(cpus.pauses[0], 1);
    EXPECT_FALSE(debugger.take_trap()->breakpoint);
}

TEST_F(GuestDebuggerTest, StepThatIsGivenUpLeavesNoTrace)
{
    stops_at_a_breakpoint();
    debugger.go({Go::Step, Go::Hold});
    debugger.stop();
    EXPECT_EQ(saved().flags, kInterrupt);
}

TEST_F(GuestDebuggerTest, StrayTrapOfAStepThatWasGivenUpIsSwallowed)
{
    stops_at_a_breakpoint();
    debugger.go({Go::Step, Go::Hold});
    guest.put<std::uint64_t>(kSaved + offsetof(InterruptedRegisters, flags), 0); // another exception's registers
    debugger.stop();
    debugger.take_trap();
    EXPECT_EQ(meets(1, kCode + 3, kTrap), 1u);
    EXPECT_EQ(saved().flags, kInterrupt);
    EXPECT_FALSE(debugger.take_trap());
}

TEST_F(GuestDebuggerTest, StepOfAProgramsOwnDebuggerIsItsOwn)
{
    EXPECT_EQ(meets(1, 0x401000, kTrap, 0x33), 0u);
    EXPECT_EQ(saved().flags, kTrap);
}

TEST_F(GuestDebuggerTest, StepOfACpuThatCalledTheHostGoesThroughTheGraft)
{
    guest.passages[0].mailbox.call = CO_CALL_IDLE;
    guest.put<std::uint64_t>(kSaved - 0x80, 0);         // the caller's RBP
    guest.put<std::uint64_t>(kSaved - 0x78, kCode + 9); // its return address
    debugger.stop();
    EXPECT_EQ(debugger.registers(0)[kRip], kCode + 9) << "the kernel's own frame";
    EXPECT_EQ(debugger.registers(0)[kRax], std::nullopt);
    EXPECT_NE(debugger.set_registers(0, debugger.registers(0)), "") << "nothing can be changed";
    EXPECT_EQ(debugger.go({Go::Step, Go::Hold}), "");
    EXPECT_EQ(guest.state().rflags & kTrap, kTrap);
    EXPECT_EQ(meets(1, CO_GRAFT_VIRT + 0x20, kTrap), 1u);
    EXPECT_EQ(cpus.pauses[0], 0) << "on through the graft";
    EXPECT_EQ(meets(1, kCode + 9, kTrap | kInterrupt), 1u);
    EXPECT_EQ(saved().flags, kTrap) << "now the instruction itself";
    EXPECT_EQ(meets(1, kCode + 11, kTrap), 1u);
    EXPECT_EQ(cpus.pauses[0], 1);
    EXPECT_EQ(saved().flags, kInterrupt);
}

TEST_F(GuestDebuggerTest, BeforeItsFirstInstructionItsImageCanBeReadNothingStepped)
{
    guest.passages[0] = {};
    guest.loaded.entry.rip = CO_GRAFT_VIRT;
    guest.loaded.entry.cr3 = StandingGuest::kRam + 0x70'0000; // maps nothing
    debugger.hold_at_start();
    EXPECT_TRUE(debugger.stop());
    EXPECT_EQ(cpus.pauses[0], 1) << "held once";
    EXPECT_EQ(debugger.registers(0)[kRip], CO_GRAFT_VIRT);
    EXPECT_EQ(debugger.read(0, kCode, 4).size(), 4u);
    EXPECT_EQ(debugger.insert(0, kCode), "");
    EXPECT_NE(debugger.go({Go::Step, Go::Hold}), "");
    EXPECT_EQ(cpus.pauses[0], 1);
    EXPECT_TRUE(debugger.take_trap());
    EXPECT_EQ(debugger.about(0), "CPU 0: has not begun");
}

// The kernel's NMI entry returns by a second copy of what the CPU pushed.
TEST(GuestDebugger, RegistersOfAnNmiAreChangedInBothCopies)
{
    constexpr std::uint64_t kEntry = StandingGuest::kText + 0x1c00, kAt = kSaved - 0x70, kCopy = kAt + sizeof(InterruptedRegisters);
    StandingGuest guest{{{StandingGuest::kText + 0x1000, 24, 0, OrcTable::Sp, OrcTable::None, 0},
                         {kCode, 16, -16, OrcTable::Bp, OrcTable::PreviousSp, 0},
                         {kEntry, 0, 0, OrcTable::Sp, OrcTable::None, 1},
                         {kEntry + 0x100, 0, 0, OrcTable::None, OrcTable::None, 4}}};
    FakeCpus cpus{guest};
    GuestDebugger debugger{cpus, guest.memory, guest.loaded};
    guest.leave(CO_GRAFT_VIRT + 0x110, kSaved - 0x100, kSaved - 0x80);
    guest.put<std::uint64_t>(kSaved - 0x80, 0);
    guest.put<std::uint64_t>(kSaved - 0x78, kEntry + 5);
    guest.passages[0].mailbox.call = CO_CALL_NMI;
    InterruptedRegisters registers{};
    registers.ip = kCode;
    registers.cs = 0x10;
    guest.put(kAt, registers);
    Registers wanted = debugger.registers(0);
    EXPECT_EQ(wanted[kRip], kCode);
    EXPECT_NE(debugger.set_registers(0, wanted), "") << "no second copy: nothing is sure";
    guest.put(kCopy, std::array<std::uint64_t, 5>{kCode, 0x10, 0, 0, 0});
    wanted[kRip] = kCode + 2;
    EXPECT_EQ(debugger.set_registers(0, wanted), "");
    EXPECT_EQ(guest.pages().at<std::uint64_t>(kCopy), kCode + 2);
    EXPECT_EQ(guest.pages().at<InterruptedRegisters>(kAt)->ip, kCode + 2);
}

// The graft's own NMI gate (graft/entry.S) returns by what it saved, to which its frame pointer leads.
TEST(GuestDebugger, RegistersOfAnNmiThatTheGraftTookAreChangedWhereTheyLie)
{
    constexpr std::uint64_t kAt = kSaved - 0x70;
    StandingGuest guest{{{StandingGuest::kText + 0x1000, 24, 0, OrcTable::Sp, OrcTable::None, 0}}};
    FakeCpus cpus{guest};
    GuestDebugger debugger{cpus, guest.memory, guest.loaded};
    guest.leave(CO_GRAFT_VIRT + 0x110, kSaved - 0x100, kAt + 1);
    guest.passages[0].mailbox.call = CO_CALL_NMI;
    InterruptedRegisters registers{};
    registers.ip = kCode;
    registers.cs = 0x10;
    registers.bp = 0x1234;
    guest.put(kAt, registers);
    Registers wanted = debugger.registers(0);
    EXPECT_EQ(wanted[kRip], kCode);
    EXPECT_EQ(wanted[kRbp], 0x1234u);
    wanted[kRip] = kCode + 2;
    EXPECT_EQ(debugger.set_registers(0, wanted), "");
    EXPECT_EQ(guest.pages().at<InterruptedRegisters>(kAt)->ip, kCode + 2);
}

TEST(GuestKernel, MembersOfVariablesAreFoundByTheKernelsTypes)
{
    StandingGuest guest;
    GuestKernel kernel{guest.loaded, guest.memory};
    EXPECT_TRUE(kernel.set_member("pv_ops", "pv_cpu_ops", "cpuid", std::uint64_t{7}));
    EXPECT_EQ((*kernel.variable<std::array<std::uint64_t, 2>>("pv_ops"))[1], 7u);
    EXPECT_FALSE(kernel.set_member("pv_ops", "pv_cpu_ops", "nothing", std::uint64_t{7}));
    EXPECT_FALSE(kernel.set_member("nobody", "pv_cpu_ops", "cpuid", std::uint64_t{7}));
}

TEST_F(GuestDebuggerTest, LetGoLeavesNothing)
{
    guest.put<std::uint8_t>(kCode, 0x55);
    debugger.insert(0, kCode);
    meets(3, kCode + 1);
    debugger.let_go();
    EXPECT_EQ(byte_at(kCode), 0x55);
    EXPECT_EQ(cpus.pauses[0], 0);
    EXPECT_EQ(cpus.pauses[1], 0);
}

TEST_F(GuestDebuggerTest, MonitorKnowsTheKernelsSymbols)
{
    EXPECT_EQ(debugger.monitor(0, "symbol outer_function"), "0xffffffff81001800");
    EXPECT_EQ(debugger.monitor(0, "symbol nobody"), "no such symbol");
    EXPECT_EQ(debugger.monitor(0, "where 0xffffffff81001804").substr(0, 18), "outer_function+0x4");
    EXPECT_NE(debugger.monitor(0, "trace").find("co_call"), std::string::npos);
    EXPECT_NE(debugger.monitor(0, "").find("symbol NAME"), std::string::npos);
}

} // namespace
} // namespace colinux::testing
