// SPDX-License-Identifier: GPL-2.0
// Unwinding, names, and the report made of them.
#include "standing_guest.hpp"

#include "cli/report_text.hpp"
#include "vmm/inspect/report.hpp"
#include "vmm/inspect/unwinder.hpp"

#include <colinux/abi.h>
#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

using Base = OrcTable::Base;
constexpr std::uint64_t kText = StandingGuest::kText, kStack = StandingGuest::kStack;

// kernel_function keeps 16 bytes on its stack; outer_function has a frame pointer; entry_code stands on pt_regs
std::vector<StandingGuest::Unwind> table(bool old_layout)
{
    unsigned call = old_layout ? 0 : 2, registers = old_layout ? 1 : 3, end = old_layout ? 4 : 1;
    return {{kText + 0x1000, 24, 0, Base::Sp, Base::None, call},
            {kText + 0x1800, 16, -16, Base::Bp, Base::PreviousSp, call},
            {kText + 0x1c00, 0, 0, Base::Sp, Base::None, registers},
            {kText + 0x1d00, 0, 0, Base::None, Base::None, end}};
}

void fill_stack(StandingGuest& guest)
{
    guest.put(kStack + 0x100 + 16, kText + 0x1810); // kernel_function returns to outer_function
    guest.put(kStack + 0x200, std::uint64_t{0x77});  // outer_function's caller's frame pointer
    guest.put(kStack + 0x208, kText + 0x1c05);       // outer_function returns to entry_code
    InterruptedRegisters registers{};
    registers.ip = 0x40'1000;
    registers.cs = 0x33;
    registers.sp = 0x7fff'0000;
    guest.put(kStack + 0x210, registers);
}

std::vector<std::string> names(const GuestKernel& kernel, const std::vector<StackFrame>& frames)
{
    std::vector<std::string> found;
    for (const StackFrame& frame : frames) {
        std::string name = kernel.describe(frame.ip, frame.returns);
        found.push_back((frame.sure ? "" : "? ") + name.substr(0, name.find('+')));
    }
    return found;
}

class Unwinding : public ::testing::TestWithParam<bool> {};

TEST_P(Unwinding, FollowsTheTableFromTheGraftToUserMode)
{
    StandingGuest guest{table(GetParam())};
    fill_stack(guest);
    guest.put(kStack + 0xf0, kStack + 0x200);       // co_call's frame: caller's frame pointer ...
    guest.put(kStack + 0xf8, kText + 0x1010);       // ... and its return address, in kernel_function
    guest.leave(CO_GRAFT_VIRT + 0x120, kStack + 0xc0, kStack + 0xf0);
    GuestKernel kernel{guest.loaded, guest.memory};
    auto frames = unwind(kernel, guest.pages(), guest.state());
    EXPECT_EQ(names(kernel, frames), (std::vector<std::string>{"co_call", "kernel_function", "outer_function", "entry_code", ""}));
    ASSERT_TRUE(frames.back().registers);
    EXPECT_TRUE(frames.back().registers->user_mode());
    EXPECT_EQ(frames.back().registers_virt, kStack + 0x210);
}

INSTANTIATE_TEST_SUITE_P(BothLayouts, Unwinding, ::testing::Bool());

TEST(Unwinder, GuessesWhereTheTableDoesNotKnow)
{
    StandingGuest guest{table(true)};
    fill_stack(guest);
    guest.put(kStack + 0x80, kText + 0x1300);          // data that looks like code, but follows no call
    guest.put(kText + 0x1010 - 5, std::uint8_t{0xe8}); // this does
    guest.put(kStack + 0xf8, kText + 0x1010);
    guest.leave(0xffff'ffff'c000'1000, kStack + 0x80, kStack + 0x200); // in a module
    GuestKernel kernel{guest.loaded, guest.memory};
    auto frames = unwind(kernel, guest.pages(), guest.state());
    EXPECT_EQ(names(kernel, frames), (std::vector<std::string>{"[module]", "? kernel_function", "outer_function", "entry_code", ""}));
}

TEST(Unwinder, EndsOnAStackOfGarbage)
{
    StandingGuest guest{table(true)};
    guest.leave(kText + 0x1810, kStack + 0x100, kStack + 0x120);
    guest.put(kStack + 0x128, kText + 0x1810); // outer_function called by itself from the same frame, for ever
    guest.put(kStack + 0x120, kStack + 0x120);
    GuestKernel kernel{guest.loaded, guest.memory};
    EXPECT_LE(unwind(kernel, guest.pages(), guest.state()).size(), 128u);
}

TEST(Report, TellsOfEachCpuAndPrintsIt)
{
    StandingGuest guest{table(true)};
    fill_stack(guest);
    guest.leave(kText + 0x1010, kStack + 0x100, kStack + 0x200);
    GuestKernel kernel{guest.loaded, guest.memory};
    nlohmann::json report{{"name", "g"}, {"reason", "kernel panic: test"}};
    report["cpus"] = report_cpus(kernel, guest.memory, guest.passages, {CO_SLEEP_NONE, CO_SLEEP_STOPPED});
    EXPECT_EQ(report["cpus"][0]["registers"]["r12"], "0x000000000000000c");
    EXPECT_EQ(report["cpus"][0]["trace"][1]["symbol"], "outer_function+0x10/0x400");
    EXPECT_EQ(report["cpus"][1]["state"], "offline");
    std::string text = report_text(report);
    EXPECT_NE(text.find("guest g: kernel panic: test"), std::string::npos);
    EXPECT_NE(text.find("CPU 0: left the guest by the call panic"), std::string::npos);
    EXPECT_NE(text.find("kernel_function+0x10/"), std::string::npos) << text;
    EXPECT_NE(text.find("--- interrupted here ---"), std::string::npos);
}

// Symbols and lines come from the guest's memory: they must not speak to the terminal.
TEST(Report, TextHasNoControlCharactersOfTheGuest)
{
    nlohmann::json trace{{{"address", "0x1"}, {"symbol", "a\033[2Jb"}}};
    nlohmann::json report{{"name", "g"}, {"cpus", {{{"cpu", 0}, {"state", "s"}, {"trace", trace}}}}, {"console", {"c\177d\r"}}};
    std::string text = report_text(report);
    EXPECT_NE(text.find("a?[2Jb\n"), std::string::npos) << text;
    EXPECT_NE(text.find("c?d?\n"), std::string::npos) << text;
}

TEST(Report, DamagedImageHasNoSymbolsButRegisters)
{
    StandingGuest guest;
    guest.leave(kText + 0x1010, kStack + 0x100, kStack + 0x200);
    std::memset(guest.memory.ranges()[0].host + 0x20'0000, 0x55, 0x10000); // its data: kallsyms, BTF
    GuestKernel kernel{guest.loaded, guest.memory};
    EXPECT_FALSE(kernel.has_symbols());
    auto cpus = report_cpus(kernel, guest.memory, guest.passages, {CO_SLEEP_NONE});
    EXPECT_EQ(cpus[0]["registers"]["rip"], "0xffffffff81001010");
    EXPECT_EQ(cpus[0]["trace"][0]["symbol"], "");
}

} // namespace
} // namespace colinux::testing
