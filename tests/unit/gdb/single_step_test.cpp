// SPDX-License-Identifier: GPL-2.0
#include "tests/unit/inspect/standing_guest.hpp"
#include "vmm/gdb/single_step.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

constexpr std::uint64_t kCode = StandingGuest::kText + 0x1800, kTop = StandingGuest::kStack + 0x1000;
constexpr std::uint64_t kTrap = SingleStep::kTrapFlag, kInterrupt = SingleStep::kInterruptFlag;

struct Case {
    const char* what;
    std::uint64_t code; // little-endian
    std::uint64_t flags, cs;
    std::uint64_t stepped; // flags while it steps
};

class SingleStepTest : public ::testing::TestWithParam<Case> {};

TEST_P(SingleStepTest, InterruptsAreKeptOutWhereThatIsSafe)
{
    StandingGuest guest;
    guest.put(kCode, GetParam().code);
    InterruptedRegisters registers{};
    registers.ip = kCode;
    registers.flags = GetParam().flags;
    registers.cs = GetParam().cs;
    registers.sp = kTop;
    SingleStep step;
    step.begin(registers, guest.pages());
    EXPECT_EQ(registers.flags, GetParam().stepped);
    EXPECT_TRUE(step.arrived(registers, guest.pages()));
    step.end(registers, guest.pages());
    EXPECT_EQ(registers.flags, GetParam().flags);
    EXPECT_FALSE(step.active());
}

INSTANTIATE_TEST_SUITE_P(
    All, SingleStepTest,
    ::testing::Values(Case{"nop", 0x90, kInterrupt, 0x10, kTrap}, Case{"interrupts are off", 0x90, 0, 0x10, kTrap},
                      Case{"cli", 0xfa, kInterrupt, 0x10, kTrap | kInterrupt}, Case{"popfq", 0x9d, kInterrupt, 0x10, kTrap | kInterrupt},
                      Case{"prefix, then pushfq", 0x9c66, kInterrupt, 0x10, kTrap | kInterrupt},
                      Case{"REX, then iretq", 0xcf48, kInterrupt, 0x10, kTrap | kInterrupt},
                      Case{"a program", 0x90, kInterrupt, 0x33, kTrap | kInterrupt},
                      Case{"user access", 0xa4f3, kInterrupt | SingleStep::kAlignmentCheck, 0x10,
                           kTrap | kInterrupt | SingleStep::kAlignmentCheck},
                      Case{"nothing but prefixes", 0x6666666666666666, kInterrupt, 0x10, kTrap}),
    [](const auto& info) { return "Case" + std::to_string(info.index); });

TEST(SingleStep, PushedFlagsDoNotShowTheStep)
{
    StandingGuest guest;
    guest.put<std::uint8_t>(kCode, 0x9c);
    InterruptedRegisters registers{};
    registers.ip = kCode;
    registers.flags = kInterrupt;
    registers.cs = 0x10;
    SingleStep step;
    step.begin(registers, guest.pages());
    guest.put<std::uint64_t>(kTop, kTrap | kInterrupt); // what the instruction pushes
    registers.sp = kTop;
    step.end(registers, guest.pages());
    EXPECT_EQ(guest.pages().at<std::uint64_t>(kTop), kInterrupt);
}

} // namespace
} // namespace colinux::testing
