// SPDX-License-Identifier: GPL-2.0
// What a guest kernel is shown on a CPU that has everything: nothing that it could turn on and the switch does not carry.
#include "graft/cpuid_rules.h"

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr co_u64 kHostXcr0 = 0x6'02ff; // x87 to AVX-512, MPX, PKRU, AMX
constexpr co_cpuid_guest kGuest{.vcpu = 2, .vcpus = 3, .host_xcr0 = kHostXcr0};

co_cpuid_leaf shown(co_u32 number, co_u32 subleaf = 0, const co_cpuid_guest& guest = kGuest)
{
    co_cpuid_leaf leaf{~0u, ~0u, ~0u, ~0u};
    co_show_cpuid(&leaf, number, subleaf, &guest);
    return leaf;
}

bool is_empty(const co_cpuid_leaf& leaf) { return !(leaf.eax | leaf.ebx | leaf.ecx | leaf.edx); }

TEST(CpuidRules, ControlFlowEnforcementIsHidden)
{
    EXPECT_FALSE(shown(7).ecx & 1u << 7) << "SHSTK";
    EXPECT_FALSE(shown(7).edx & 1u << 20) << "IBT";
    EXPECT_FALSE(shown(7, 1).edx & 1u << 18) << "CET_SSS";
}

TEST(CpuidRules, SupervisorProtectionKeysAreHiddenAndTheUsersShown)
{
    EXPECT_FALSE(shown(7).ecx & 1u << 31) << "PKS";
    EXPECT_TRUE(shown(7).ecx & 1u << 3) << "PKU";
}

TEST(CpuidRules, AmxAndXfdAreHidden)
{
    EXPECT_FALSE(shown(7).edx & (1u << 22 | 1u << 24 | 1u << 25)) << "AMX-BF16, AMX-TILE, AMX-INT8";
    EXPECT_FALSE(shown(7, 1).eax & 1u << 21) << "AMX-FP16";
    EXPECT_FALSE(shown(7, 1).edx & 1u << 8) << "AMX-COMPLEX";
    EXPECT_FALSE(shown(0xd, 1).eax & 1u << 4) << "XFD";
    EXPECT_TRUE(is_empty(shown(0xd, 17)) && is_empty(shown(0xd, 18)));
    EXPECT_TRUE(is_empty(shown(0x1d)) && is_empty(shown(0x1e)));
}

TEST(CpuidRules, FredAndLkgsAreHidden) { EXPECT_FALSE(shown(7, 1).eax & (1u << 17 | 1u << 18)); }

TEST(CpuidRules, LinearAddressMaskingAndSeparationAreHidden) { EXPECT_FALSE(shown(7, 1).eax & (1u << 26 | 1u << 6)); }

TEST(CpuidRules, UserInterruptsAreHidden) { EXPECT_FALSE(shown(7).edx & 1u << 5); }

TEST(CpuidRules, BranchRecordsAreHidden)
{
    EXPECT_FALSE(shown(7).edx & 1u << 19) << "ARCH_LBR";
    EXPECT_TRUE(is_empty(shown(0x1c)));
}

TEST(CpuidRules, HresetIsHidden)
{
    EXPECT_FALSE(shown(7, 1).eax & 1u << 22);
    EXPECT_TRUE(is_empty(shown(0x20)));
}

TEST(CpuidRules, EnqcmdIsHidden) { EXPECT_FALSE(shown(7).ecx & 1u << 29); }

TEST(CpuidRules, KeyLockerIsHidden)
{
    EXPECT_FALSE(shown(7).ecx & 1u << 23);
    EXPECT_TRUE(is_empty(shown(0x19)));
}

TEST(CpuidRules, ExtendedGeneralRegistersAndAvx10AreHidden)
{
    EXPECT_FALSE(shown(7, 1).edx & (1u << 21 | 1u << 19));
    EXPECT_TRUE(is_empty(shown(0x24)));
}

TEST(CpuidRules, VirtualizationIsHidden)
{
    EXPECT_FALSE(shown(1).ecx & (1u << 5 | 1u << 6)) << "VMX, SMX";
    EXPECT_FALSE(shown(0x8000'0001).ecx & 1u << 2) << "SVM";
    EXPECT_TRUE(is_empty(shown(0x8000'000a)) && is_empty(shown(0x8000'001f)) && is_empty(shown(0x4000'0000)));
}

TEST(CpuidRules, ProcessContextIdentifiersAreHidden)
{
    EXPECT_FALSE(shown(1).ecx & 1u << 17) << "PCID";
    EXPECT_FALSE(shown(7).ebx & 1u << 10) << "INVPCID";
}

TEST(CpuidRules, BroadcastInvalidationIsHidden) { EXPECT_FALSE(shown(0x8000'0008).ebx & 1u << 3); }

TEST(CpuidRules, AddressDepthIsTheHosts) { EXPECT_TRUE(shown(7).ecx & 1u << 16); }

TEST(CpuidRules, StateComponentsAreThoseThatTheSwitchCarriesAndTheHostHasOn)
{
    EXPECT_EQ(shown(0xd).eax, 0x2e7u);
    EXPECT_EQ(shown(0xd).edx, 0u);
    EXPECT_EQ(shown(0xd, 0, {.vcpu = 0, .vcpus = 1, .host_xcr0 = 7}).eax, 7u);
    for (co_u32 component : {2u, 5u, 6u, 7u, 9u})
        EXPECT_FALSE(is_empty(shown(0xd, component))) << component;
    for (co_u32 component : {3u, 4u, 8u, 10u, 11u, 12u, 14u, 15u, 19u, 62u, 64u})
        EXPECT_TRUE(is_empty(shown(0xd, component))) << component;
}

TEST(CpuidRules, NoSupervisorComponentIsShown)
{
    EXPECT_EQ(shown(0xd, 1).eax, 0xfu);
    EXPECT_EQ(shown(0xd, 1).ecx, 0u);
    EXPECT_EQ(shown(0xd, 1).edx, 0u);
}

TEST(CpuidRules, LeavesThatNobodyKnowsAreEmpty)
{
    EXPECT_EQ(shown(0).eax, 0xdu);
    EXPECT_EQ(shown(0x8000'0000).eax, 0x8000'0021u);
    for (co_u32 number : {0x5u, 0x6u, 0x9u, 0xau, 0xfu, 0x10u, 0x12u, 0x14u, 0x1fu, 0x23u, 0x29u, 0x8000'0022u, 0xc000'0001u})
        EXPECT_TRUE(is_empty(shown(number))) << std::hex << number;
}

TEST(CpuidRules, TopologyIsOneCorePerVcpu)
{
    EXPECT_EQ(shown(1).ebx >> 24, 2u);
    EXPECT_EQ(shown(1).ebx >> 16 & 0xff, 4u);
    EXPECT_EQ(shown(0xb, 1).ebx, 3u);
    EXPECT_EQ(shown(0xb, 1).edx, 2u);
    EXPECT_EQ(shown(0x8000'0008).ecx, 2u << 12 | 2u);
    EXPECT_FALSE(shown(1, 0, {.vcpu = 0, .vcpus = 1, .host_xcr0 = 7}).edx & 1u << 28) << "HTT";
}

} // namespace
} // namespace colinux
