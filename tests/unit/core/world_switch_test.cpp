// SPDX-License-Identifier: GPL-2.0
// The bytes of world_switch.S: only looked at, never run.
#include "core/arch/x86_64/world_switch.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace colinux {
namespace {

constexpr unsigned char kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

bool begins_with_endbr64(co_u32 offset) { return std::memcmp(world_switch_begin + offset, kEndbr64, sizeof kEndbr64) == 0; }

// Bug: on a host with kernel IBT an NMI in the passage was #CP, for which there is no gate: a triple fault.
TEST(WorldSwitch, EveryIndirectTargetBeginsWithEndbr64)
{
    EXPECT_TRUE(begins_with_endbr64(0)) << "the entry";
    EXPECT_TRUE(begins_with_endbr64(world_switch_offsets.nmi));
    EXPECT_TRUE(begins_with_endbr64(world_switch_offsets.mce));
    EXPECT_TRUE(begins_with_endbr64(world_switch_offsets.debug));
    EXPECT_TRUE(begins_with_endbr64(world_switch_offsets.fault));
}

TEST(WorldSwitch, FitsInOnePage) { EXPECT_LE(world_switch_offsets.end, static_cast<co_u32>(CO_PAGE_SIZE)); }

TEST(WorldSwitch, HandlersLieInTheCode)
{
    for (co_u32 offset : {world_switch_offsets.first_entry, world_switch_offsets.nmi, world_switch_offsets.mce,
                          world_switch_offsets.debug, world_switch_offsets.fault}) {
        EXPECT_GT(offset, 0u);
        EXPECT_LT(offset, world_switch_offsets.end);
    }
}

} // namespace
} // namespace colinux
