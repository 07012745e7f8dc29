// SPDX-License-Identifier: GPL-2.0
// GuestMemory, when blocks come and go: nothing that lies in an absent one, or reaches into it, has an address.
#include "control/guest_memory.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr std::uint64_t kBlock = 2 << 20;

class AbsentBlocksTest : public testing::Test {
protected:
    std::byte* host = reinterpret_cast<std::byte*>(0x10000000); // never looked at
    GuestMemory memory{{{8 * kBlock, 4 * kBlock, host}, {1000 * kBlock, 2 * kBlock, host + 4 * kBlock}}};
};

TEST_F(AbsentBlocksTest, AbsentBlockHasNoAddress)
{
    GuestMemory copy = memory;
    ASSERT_TRUE(memory.withdraw(9 * kBlock, kBlock));
    EXPECT_EQ(memory.present_bytes(), 5 * kBlock);
    EXPECT_EQ(memory.total_bytes(), 6 * kBlock);
    for (std::uint64_t at : {9 * kBlock, 10 * kBlock - 1})
        EXPECT_EQ(memory.translate(at, 1), nullptr);
    EXPECT_EQ(memory.translate(9 * kBlock - 1, 2), nullptr);
    EXPECT_EQ(memory.translate(8 * kBlock, 4 * kBlock), nullptr);
    EXPECT_EQ(copy.translate(9 * kBlock, 1), nullptr);
    EXPECT_EQ(memory.translate(9 * kBlock - 1, 1), host + kBlock - 1);
    EXPECT_EQ(memory.translate(10 * kBlock, kBlock), host + 2 * kBlock);
    EXPECT_EQ(memory.translate(1001 * kBlock, 1), host + 5 * kBlock);
}

TEST_F(AbsentBlocksTest, ItHasItsOldAddressWhenItIsBack)
{
    ASSERT_TRUE(memory.withdraw(1001 * kBlock, kBlock));
    EXPECT_EQ(memory.translate(1001 * kBlock, 1), nullptr);
    memory.restore(1001 * kBlock, kBlock);
    EXPECT_EQ(memory.translate(1000 * kBlock, 2 * kBlock), host + 4 * kBlock);
    EXPECT_EQ(memory.present_bytes(), memory.total_bytes());
}

TEST_F(AbsentBlocksTest, WhatIsNoWholeBlockOfTheGuestIsRefused)
{
    for (std::uint64_t phys : {std::uint64_t{0}, 7 * kBlock, 12 * kBlock, 999 * kBlock, 1002 * kBlock, 9 * kBlock + 4096, ~std::uint64_t{0}, -kBlock})
        EXPECT_FALSE(memory.withdraw(phys, kBlock)) << phys;
    EXPECT_FALSE(memory.withdraw(9 * kBlock, 2 * kBlock));
    EXPECT_FALSE(GuestMemory{}.withdraw(0, kBlock));
    ASSERT_TRUE(memory.withdraw(9 * kBlock, kBlock));
    EXPECT_FALSE(memory.withdraw(9 * kBlock, kBlock));
    EXPECT_EQ(memory.present_bytes(), 5 * kBlock);
}

} // namespace
} // namespace colinux
