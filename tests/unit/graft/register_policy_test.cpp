// SPDX-License-Identifier: GPL-2.0
// The table of registers that a guest may touch: well-formed, and what it says of those that matter most.
#include <colinux/register_policy.h>

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace colinux {
namespace {

constexpr co_u64 kCr0 = 0x8005'0033, kCr4 = 0x45'06e0; // a guest's
constexpr co_u64 kVmxe = 1u << 13, kMce = 1u << 6, kCet = 1u << 23, kOsxsave = 1u << 18, kPcide = 1u << 17;
constexpr co_u64 kCacheDisable = 1u << 30, kWriteProtect = 1u << 16;

const co_msr_rule& rule_of(co_u32 msr)
{
    unsigned row = co_find_msr_rule(msr);
    EXPECT_LT(row, CO_MSR_RULES) << std::hex << msr;
    return co_msr_rules[row];
}

struct Filtered {
    co_u64 value;
    std::set<std::string> rows;
};

Filtered write(co_u32 reg, co_u64 present, co_u64 wanted)
{
    Filtered result{wanted, {}};
    for (const co_control_rule& rule : co_control_rules)
        if (co_control_rule_filters(&rule, reg, present, &result.value))
            result.rows.insert(rule.name);
    return result;
}

TEST(RegisterPolicy, MsrsAscendWithoutOverlap)
{
    for (std::size_t row = 0; row < CO_MSR_RULES; row++)
        EXPECT_LE(co_msr_rules[row].first, co_msr_rules[row].last) << co_msr_rules[row].name;
    for (std::size_t row = 1; row < CO_MSR_RULES; row++)
        EXPECT_LT(co_msr_rules[row - 1].last, co_msr_rules[row].first) << co_msr_rules[row].name;
}

TEST(RegisterPolicy, EveryRowHasANameOfItsOwnAndAReason)
{
    std::set<std::string> names;
    for (const co_msr_rule& rule : co_msr_rules) {
        EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
        EXPECT_NE(std::string{rule.why}, "") << rule.name;
    }
    for (const co_control_rule& rule : co_control_rules) {
        EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
        EXPECT_NE(std::string{rule.why}, "") << rule.name;
    }
}

TEST(RegisterPolicy, EveryMsrOfEveryRowIsFoundAndItsNeighboursAreNot)
{
    for (std::size_t row = 0; row < CO_MSR_RULES; row++) {
        const co_msr_rule& rule = co_msr_rules[row];
        EXPECT_EQ(co_find_msr_rule(rule.first), row);
        EXPECT_EQ(co_find_msr_rule(rule.last), row);
        EXPECT_EQ(co_find_msr_rule(rule.first + (rule.last - rule.first) / 2), row);
        EXPECT_NE(co_find_msr_rule(rule.last + 1), row);
        EXPECT_NE(co_find_msr_rule(rule.first - 1), row);
    }
    EXPECT_EQ(co_find_msr_rule(0x2), CO_MSR_RULES);
    EXPECT_EQ(co_find_msr_rule(0xffff'ffff), CO_MSR_RULES);
}

TEST(RegisterPolicy, ExactlyTheCarriedMsrsAreCarriedEachInItsSlot)
{
    std::map<co_u32, co_u32> carried;
    for (const co_msr_rule& rule : co_msr_rules)
        if (rule.write == CO_WRITE_CARRY) {
            EXPECT_EQ(rule.first, rule.last) << rule.name << ": a slot is one register";
            EXPECT_EQ(rule.read, CO_READ_REAL) << rule.name;
            carried[rule.slot] = rule.first;
        }
    std::map<co_u32, co_u32> expected{
        {CO_MSR_STAR, 0xc000'0081}, {CO_MSR_LSTAR, 0xc000'0082},    {CO_MSR_CSTAR, 0xc000'0083},     {CO_MSR_SFMASK, 0xc000'0084},
        {CO_MSR_SYSENTER_CS, 0x174}, {CO_MSR_SYSENTER_ESP, 0x175},  {CO_MSR_SYSENTER_EIP, 0x176},    {CO_MSR_PAT, 0x277},
        {CO_MSR_TSC_AUX, 0xc000'0103}, {CO_MSR_XSS, 0xda0}};
    EXPECT_EQ(carried, expected);
    EXPECT_EQ(carried.size(), static_cast<std::size_t>(CO_MSR_COUNT));
}

// Beside the carried ones: what the switch reads or exchanges by itself, and commands.
TEST(RegisterPolicy, NoOtherMsrReachesTheCpu)
{
    std::set<co_u32> passing;
    for (const co_msr_rule& rule : co_msr_rules)
        if (rule.write == CO_WRITE_PASS) {
            EXPECT_EQ(rule.first, rule.last) << rule.name;
            passing.insert(rule.first);
        }
    EXPECT_EQ(passing, (std::set<co_u32>{0x48, 0x49, 0x10b, 0xc000'0100, 0xc000'0101, 0xc000'0102}));
}

// The host's own values would be lost: none of these may be the guest's.
TEST(RegisterPolicy, StateThatIsNotCarriedIsAbsent)
{
    for (co_u32 msr : {0x1c4u /* XFD */, 0x1ccu, 0x1d4u /* FRED */, 0x6a0u, 0x6a2u, 0x6a4u, 0x6a7u, 0x6a8u /* CET */, 0x6e1u /* PKRS */,
                       0x985u, 0x98au /* UINTR */, 0xd93u /* PASID */, 0x14ceu /* ARCH_LBR */, 0x17dau /* HRESET */, 0x122u, 0xc001'011fu}) {
        EXPECT_EQ(rule_of(msr).write, CO_WRITE_FAULT) << std::hex << msr;
        EXPECT_EQ(rule_of(msr).read, CO_READ_FAULT) << std::hex << msr;
    }
}

TEST(RegisterPolicy, OnlyTheBootCpuSaysSo)
{
    EXPECT_EQ(rule_of(0x1b).read, CO_READ_BOOT_CPU);
    EXPECT_EQ(rule_of(0x1b).value, 0x100u);
}

TEST(RegisterPolicy, EferStaysTheHosts) { EXPECT_EQ(rule_of(0xc000'0080).write, CO_WRITE_KEEP); }

TEST(RegisterPolicy, RowsOfAControlRegisterHaveEachBitOnce)
{
    std::map<co_u32, co_u64> bits;
    for (const co_control_rule& rule : co_control_rules) {
        EXPECT_EQ(bits[rule.reg] & rule.bits, 0u) << rule.name;
        EXPECT_TRUE(rule.write == CO_WRITE_PASS || rule.write == CO_WRITE_KEEP) << rule.name;
        bits[rule.reg] |= rule.bits;
    }
    EXPECT_EQ(bits, (std::map<co_u32, co_u64>{{CO_REGISTER_CR0, ~0ull}, {CO_REGISTER_CR4, ~0ull}, {CO_REGISTER_XCR0, ~0ull}}));
}

TEST(RegisterPolicy, WhatTheSwitchExchangesPassesUncounted)
{
    Filtered cr4 = write(CO_REGISTER_CR4, kCr4, kCr4 ^ kOsxsave);
    EXPECT_EQ(cr4.value, kCr4 ^ kOsxsave);
    EXPECT_EQ(cr4.rows, std::set<std::string>{});
    EXPECT_EQ(write(CO_REGISTER_CR0, kCr0, kCr0 & ~kWriteProtect).value, kCr0 & ~kWriteProtect);
}

TEST(RegisterPolicy, ForeignBitsStayAsTheyAreWhicheverWayTheyWouldChange)
{
    Filtered result = write(CO_REGISTER_CR4, kCr4 | kVmxe, (kCr4 | kCet | kPcide) & ~kMce);
    EXPECT_EQ(result.value, kCr4 | kVmxe);
    EXPECT_EQ(result.rows, (std::set<std::string>{"CR4.VMXE", "CR4.CET", "CR4.PCIDE", "CR4.MCE"}));
    Filtered cache = write(CO_REGISTER_CR0, kCr0, kCr0 | kCacheDisable);
    EXPECT_EQ(cache.value, kCr0);
    EXPECT_EQ(cache.rows, std::set<std::string>{"CR0.NW CD"});
}

TEST(RegisterPolicy, BitsThatNobodyKnowsAreKept)
{
    EXPECT_EQ(write(CO_REGISTER_CR4, kCr4, kCr4 | 1ull << 40).value, kCr4);
    EXPECT_EQ(write(CO_REGISTER_CR0, kCr0, kCr0 | 1ull << 28).value, kCr0);
}

} // namespace
} // namespace colinux
