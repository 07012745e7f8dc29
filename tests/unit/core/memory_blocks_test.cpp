// SPDX-License-Identifier: GPL-2.0
// Blocks that a guest gives up and takes back: what it may say of them, whose the frames are, and what becomes of a guest that needs them after all.
#include "tests/unit/core/core_test.hpp"

#include <cerrno>
#include <cstring>
#include <random>

namespace colinux {

namespace {

constexpr std::uint64_t kBlockFrames = CO_BLOCK_SIZE / kPageSize;

class MemoryBlocksTest : public CoreTest {
protected:
    TestGuest guest;
    ScriptedGuest script;

    std::uint64_t block() const { return guest.ram() + CO_BLOCK_SIZE; } // the other one has the passage's table
    co_s64 move(co_u32 code, std::uint64_t phys)
    {
        co_memory_block block{phys, 0, {}};
        return guest.request(code, &block);
    }
    co_s64 give_up(std::uint64_t phys) { return move(CO_GIVE_UP_BLOCK, phys); }
    co_s64 take_back(std::uint64_t phys) { return move(CO_TAKE_BACK_BLOCK, phys); }
    std::uint64_t shown_at(std::uint64_t offset) { return guest.monitor().frame_at(offset).value; }
};

TEST_F(MemoryBlocksTest, GivenUpBlockIsTheHosts)
{
    std::uint64_t before = host().frames(), overhead = guest.stats().overhead_frames;
    co_memory_block request{block(), 0, {}};
    ASSERT_EQ(guest.request(CO_GIVE_UP_BLOCK, &request), 0);
    EXPECT_EQ(request.offset, CO_BLOCK_SIZE);
    EXPECT_EQ(host().frames(), before - kBlockFrames + 1); // of the substitute page
    EXPECT_EQ(guest.stats().frames, host().frames());
    EXPECT_EQ(guest.stats().overhead_frames, overhead + 1);
    EXPECT_FALSE(guest.monitor().ram().contains(Phys{block()}, kPageSize));
    EXPECT_FALSE(guest.monitor().ram().contains(Phys{block() - kPageSize}, 2 * kPageSize));
    EXPECT_TRUE(guest.monitor().ram().contains(Phys{block() - kPageSize}, kPageSize));
}

TEST_F(MemoryBlocksTest, MappingsShowOneSubstitutePage)
{
    ASSERT_EQ(give_up(block()), 0);
    std::uint64_t substitute = shown_at(CO_BLOCK_SIZE);
    EXPECT_NE(substitute, 0u);
    EXPECT_EQ(shown_at(2 * CO_BLOCK_SIZE - kPageSize), substitute);
    EXPECT_EQ(shown_at(CO_BLOCK_SIZE - kPageSize), block() - kPageSize);
    EXPECT_TRUE(substitute < guest.ram() || substitute >= guest.ram() + TestGuest::kBytes);
    ASSERT_EQ(take_back(block()), 0);
    EXPECT_EQ(shown_at(CO_BLOCK_SIZE), block());
}

TEST_F(MemoryBlocksTest, TakenBackItIsTheSameAndZeroed)
{
    std::uint64_t before = host().frames();
    std::memset(host().address_of(block()), 0x55, kPageSize);
    ASSERT_EQ(give_up(block()), 0);
    ASSERT_EQ(take_back(block()), 0);
    EXPECT_EQ(*static_cast<char*>(host().address_of(block())), 0);
    EXPECT_TRUE(guest.monitor().ram().contains(Phys{guest.ram()}, TestGuest::kBytes));
    EXPECT_EQ(host().frames(), before + 1);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(MemoryBlocksTest, HostThatUsesTheFramesKeepsThem)
{
    ASSERT_EQ(give_up(block()), 0);
    host().in_other_use.insert(block());
    EXPECT_EQ(take_back(block()), -ENOMEM);
    EXPECT_FALSE(guest.monitor().ram().contains(Phys{block()}, kPageSize));
    host().in_other_use.clear();
    EXPECT_EQ(take_back(block()), 0);
}

TEST_F(MemoryBlocksTest, TwiceForeignAndMisalignedAreRefused)
{
    std::uint64_t before = host().frames();
    EXPECT_EQ(take_back(block()), -EEXIST);
    for (std::uint64_t phys : {std::uint64_t{0}, ~std::uint64_t{0}, block() + kPageSize, block() + CO_BLOCK_SIZE, guest.ram() - CO_BLOCK_SIZE}) {
        EXPECT_EQ(give_up(phys), -EINVAL) << std::hex << phys;
        EXPECT_EQ(take_back(phys), -EINVAL) << std::hex << phys;
    }
    EXPECT_EQ(give_up(guest.ram()), -EBUSY); // the passage window's page table
    co_memory_block reserved{block(), 0, {0, 1}};
    EXPECT_EQ(guest.request(CO_GIVE_UP_BLOCK, &reserved), -EINVAL);
    EXPECT_EQ(host().frames(), before);
    EXPECT_EQ(give_up(block()), 0);
    EXPECT_EQ(give_up(block()), -EEXIST);
}

TEST_F(MemoryBlocksTest, WithoutMemoryForTheSubstituteNothingHappens)
{
    for (long fails : {0, 1}) {
        host().allocations_until_failure = fails;
        EXPECT_EQ(give_up(block()), -ENOMEM);
        EXPECT_TRUE(guest.monitor().ram().contains(Phys{block()}, CO_BLOCK_SIZE));
    }
    EXPECT_EQ(give_up(block()), 0);
}

// Its page tables were sound when it was entered last; they are no longer the guest's.
TEST_F(MemoryBlocksTest, GuestThatGivesUpItsPageTablesEnds)
{
    script.then([&](co_passage& page) {
        std::memcpy(host().address_of(block()), host().address_of(page.guest.cr3), kPageSize);
        page.guest.cr3 = block();
        ScriptedGuest::leave(page, CO_CALL_CLOCK); // entered again with them
    });
    script.calls(CO_CALL_DEVICE, {1, 2});
    ASSERT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEVICE));
    ASSERT_EQ(give_up(block()), 0);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_KILLED));
    EXPECT_EQ(guest.run_page().arg[0], static_cast<co_u64>(CO_KILL_BAD_STATE));
    EXPECT_EQ(guest.run_page().arg[1], static_cast<co_u64>(CO_BAD_STATE_CR3));
    EXPECT_EQ(host().count("cross"), 2u);
}

TEST_F(MemoryBlocksTest, SoundGuestGoesOn)
{
    script.calls(CO_CALL_DEVICE, {1, 2});
    ASSERT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_DEVICE));
    ASSERT_EQ(give_up(block()), 0);
    EXPECT_EQ(guest.run(), static_cast<unsigned>(CO_EXIT_POWER_OFF));
}

TEST_F(MemoryBlocksTest, WhateverIsAskedTheCountIsRight)
{
    std::mt19937 random{1};
    bool present = true;
    std::uint64_t before = host().frames(), substitute = 0;
    for (int i = 0; i < 2000; i++) {
        bool gives = random() % 2, aims = random() % 3;
        std::uint64_t phys = aims ? block() : (std::uint64_t{random()} << 32 | random()) & -std::uint64_t{CO_BLOCK_SIZE / (random() % 2 + 1)};
        bool right = phys == block() && gives == present;
        ASSERT_EQ(move(gives ? CO_GIVE_UP_BLOCK : CO_TAKE_BACK_BLOCK, phys) == 0, right) << i;
        present ^= right;
        substitute |= !present;
        ASSERT_EQ(host().frames(), before + substitute - (present ? 0 : kBlockFrames)) << i;
    }
}

} // namespace

} // namespace colinux
