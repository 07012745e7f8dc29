// SPDX-License-Identifier: GPL-2.0
// TransitTables: walked as the CPU walks them.
#include "tests/unit/core/core_test.hpp"

#include "core/transit_tables.hpp"

#include <optional>

namespace colinux {

namespace {

constexpr std::uint64_t kHostCode = 0xffff'ffff'c012'3000, kHostPage = 0xffff'8881'0345'6000;
constexpr std::uint64_t kGuestCode = 0xffff'ffff'ff80'0000, kGuestPage = 0xffff'ffff'ff80'1000;

std::optional<std::uint64_t> walk(Phys root, unsigned levels, std::uint64_t virt)
{
    std::uint64_t entry = root.value | 1;
    for (unsigned level = levels; level > 0; --level) {
        auto* table = static_cast<std::uint64_t*>(co_os_frame_address(entry & 0x000f'ffff'ffff'f000));
        entry = table[(virt >> (12 + 9 * (level - 1))) & 511];
        if (!(entry & 1))
            return std::nullopt;
    }
    return entry;
}

constexpr std::uint64_t kWritable = 2, kNoExecute = 1ull << 63, kAddress = 0x000f'ffff'ffff'f000;

class TransitTablesTest : public CoreTest, public testing::WithParamInterface<unsigned> {
protected:
    FrameCounter counter;

    static void map_four(TransitTables& tables)
    {
        ASSERT_TRUE(tables.create(GetParam()));
        ASSERT_TRUE(tables.map(kHostCode, Phys{0x1000}, TransitTables::Access::ReadExecute));
        ASSERT_TRUE(tables.map(kGuestCode, Phys{0x2000}, TransitTables::Access::ReadExecute));
        ASSERT_TRUE(tables.map(kHostPage, Phys{0x3000}, TransitTables::Access::ReadWrite));
        ASSERT_TRUE(tables.map(kGuestPage, Phys{0x3000}, TransitTables::Access::ReadWrite));
    }
};

INSTANTIATE_TEST_SUITE_P(Levels, TransitTablesTest, testing::Values(4u, 5u));

TEST_P(TransitTablesTest, WalkFindsAllFourPages)
{
    TransitTables tables{counter};
    map_four(tables);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kHostCode) & kAddress, 0x1000u);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kGuestCode) & kAddress, 0x2000u);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kHostPage) & kAddress, 0x3000u);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kGuestPage) & kAddress, 0x3000u);
    EXPECT_FALSE(walk(tables.root(), GetParam(), kGuestPage + kPageSize));
    EXPECT_FALSE(walk(tables.root(), GetParam(), kHostCode - kPageSize));
}

TEST_P(TransitTablesTest, CodeIsReadOnlyAndDataNotExecutable)
{
    TransitTables tables{counter};
    map_four(tables);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kGuestCode) & (kWritable | kNoExecute), 0u);
    EXPECT_EQ(*walk(tables.root(), GetParam(), kGuestPage) & (kWritable | kNoExecute), kWritable | kNoExecute);
}

TEST_P(TransitTablesTest, ConflictingMapIsRejected)
{
    TransitTables tables{counter};
    map_four(tables);
    EXPECT_EQ(tables.map(kGuestCode, Phys{0x9000}, TransitTables::Access::ReadExecute).error(), Error::Exists);
    EXPECT_EQ(tables.map(kGuestCode, Phys{0x2000}, TransitTables::Access::ReadWrite).error(), Error::Exists);
    EXPECT_TRUE(tables.map(kGuestCode, Phys{0x2000}, TransitTables::Access::ReadExecute));
}

TEST_P(TransitTablesTest, FramesAreCountedAndReturned)
{
    {
        TransitTables tables{counter};
        map_four(tables);
        EXPECT_EQ(counter.frames(), host().frames());
        EXPECT_GT(counter.frames(), GetParam());
    }
    EXPECT_EQ(counter.frames(), 0u);
    EXPECT_EQ(host().frames(), 0u);
}

TEST_P(TransitTablesTest, OutOfFramesIsAnError)
{
    TransitTables tables{counter};
    ASSERT_TRUE(tables.create(GetParam()));
    host().allocations_until_failure = 1;
    EXPECT_EQ(tables.map(kHostCode, Phys{0x1000}, TransitTables::Access::ReadExecute).error(), Error::NoMemory);
}

} // namespace

} // namespace colinux
