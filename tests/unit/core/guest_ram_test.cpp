// SPDX-License-Identifier: GPL-2.0
// GuestRam: how blocks of the host become a guest's memory, and that nothing is kept when they do not.
#include "tests/unit/core/core_test.hpp"

#include <algorithm>

namespace colinux {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class GuestRamTest : public CoreTest {
protected:
    FrameCounter counter;
    GuestRam ram{counter};
    GuestRam::Found found{};

    // The largest blocks that the host gives are of 2 MiB, at these places, in this order
    void host_has(const std::vector<std::uint64_t>& blocks)
    {
        host().run_limit = 2 * kMiB;
        host().free_runs.clear();
        for (std::uint64_t start : blocks)
            host().free_runs.push_back({start, 2 * kMiB});
    }

    // The most blocks that were taken or given back without letting others run after each
    static unsigned blocks_without_a_break()
    {
        unsigned most = 0, blocks = 0;
        for (const FakeHost::Call& call : host().history) {
            blocks = call.name == "yield" ? 0 : blocks + (call.name == "run_allocate" || call.name == "run_free");
            most = std::max(most, blocks);
        }
        return most;
    }
};

TEST_F(GuestRamTest, NeighboursAreJoinedToOneRun)
{
    ASSERT_TRUE(ram.allocate(16 * kMiB, 16 * kMiB, found));
    ASSERT_EQ(ram.run_count(), 1u);
    EXPECT_EQ(ram.run(0).bytes, 16 * kMiB);
    EXPECT_EQ(ram.run(0).offset, 0u);
    EXPECT_EQ(found.bytes, 16 * kMiB);
    EXPECT_EQ(found.largest_run, 16 * kMiB);
    EXPECT_EQ(counter.frames(), 16 * kMiB / kPageSize);
    EXPECT_EQ(ram.progress(), 16 * kMiB);
}

TEST_F(GuestRamTest, RunsAreSortedByAddress)
{
    host_has({0x4000'0000, 0x1000'0000, 0x1020'0000, 0x2000'0000});
    ASSERT_TRUE(ram.allocate(8 * kMiB, 4 * kMiB, found));
    ASSERT_EQ(ram.run_count(), 3u);
    EXPECT_EQ(ram.run(0).start, Phys{0x1000'0000});
    EXPECT_EQ(ram.run(0).bytes, 4 * kMiB);
    EXPECT_EQ(ram.run(1).start, Phys{0x2000'0000});
    EXPECT_EQ(ram.run(1).offset, 4 * kMiB);
    EXPECT_EQ(ram.run(2).start, Phys{0x4000'0000});
    EXPECT_EQ(ram.run(2).offset, 6 * kMiB);
}

TEST_F(GuestRamTest, RunAmongScatteredBlocksIsFoundAndSurplusReleased)
{
    host_has({0x1000'0000, 0x5000'0000, 0x2000'0000, 0x3000'0000, 0x3020'0000, 0x3040'0000, 0x7000'0000});
    ASSERT_TRUE(ram.allocate(8 * kMiB, 6 * kMiB, found));
    EXPECT_EQ(ram.bytes(), 8 * kMiB);
    EXPECT_EQ(found.largest_run, 6 * kMiB);
    EXPECT_EQ(host().frames(), 8 * kMiB / kPageSize);
    EXPECT_EQ(counter.frames(), 8 * kMiB / kPageSize);
    EXPECT_TRUE(ram.contains(Phys{0x3000'0000}, 6 * kMiB));
}

// Bug: a small guest was refused on a host that had been up for a while: the search ended at 1.5 times its size.
TEST_F(GuestRamTest, RunOfASmallGuestIsFoundAfterManyBlocksThatAreAlone)
{
    std::vector<std::uint64_t> starts;
    for (std::uint64_t i = 0; i < 100; i++)
        starts.push_back(0x1'0000'0000 + i * 0x1000'0000);
    for (std::uint64_t start : {0x3000'0000, 0x3020'0000, 0x3040'0000})
        starts.push_back(start);
    host_has(starts);
    ASSERT_TRUE(ram.allocate(8 * kMiB, 6 * kMiB, found));
    EXPECT_TRUE(ram.contains(Phys{0x3000'0000}, 6 * kMiB));
    EXPECT_EQ(host().frames(), 8 * kMiB / kPageSize);
}

// Bug: a guest with gigabytes kept its host CPU from everybody else, until the host's RCU complained.
TEST_F(GuestRamTest, OthersRunAfterEachBlock)
{
    std::vector<std::uint64_t> starts;
    for (std::uint64_t i = 0; i < 100; i++)
        starts.push_back(0x1'0000'0000 + i * 0x1000'0000);
    starts.push_back(starts.front() + 2 * kMiB);
    host_has(starts);
    {
        GuestRam scattered{counter};
        ASSERT_TRUE(scattered.allocate(80 * kMiB, 4 * kMiB, found)); // takes all, gives back 61
        ASSERT_EQ(scattered.run_count(), 39u);
    }
    EXPECT_EQ(host().count("run_free"), 101u);
    EXPECT_EQ(blocks_without_a_break(), 1u);
}

TEST_F(GuestRamTest, OthersRunAfterEachBlockOfASearchInVain)
{
    host_has({0x1000'0000, 0x1020'0000, 0x3000'0000, 0x4000'0000});
    ASSERT_FALSE(ram.allocate(16 * kMiB, 2 * kMiB, found));
    EXPECT_EQ(blocks_without_a_break(), 1u);
}

TEST_F(GuestRamTest, SignalEndsTheSearchAfterTheBlockAtHand)
{
    host().on_yield = [] { host().must_return = host().count("run_allocate") == 3; };
    EXPECT_EQ(ram.allocate(256 * kMiB, 2 * kMiB, found).error(), Error::Interrupted);
    EXPECT_EQ(host().count("run_allocate"), 3u);
    EXPECT_EQ(found.bytes, 12 * kMiB);
    EXPECT_EQ(found.largest_run, 12 * kMiB);
    EXPECT_EQ(host().frames(), 0u);
}

// Bug: all blocks were sorted again for each that was more than needed, and for each of these that was given back.
TEST_F(GuestRamTest, LongSearchForABigGuestEnds)
{
    std::vector<std::uint64_t> starts;
    for (std::uint64_t i = 6144; i > 0; i--)
        starts.push_back(0x1'0000'0000 + i * 0x40'0000);
    host_has(starts);
    EXPECT_FALSE(ram.allocate(8192 * kMiB, 6 * kMiB, found));
    EXPECT_EQ(found.bytes, 12288 * kMiB);
    EXPECT_EQ(found.largest_run, 2 * kMiB);
}

TEST_F(GuestRamTest, RunThatAppearsInReverseOrderIsFound)
{
    host_has({0x3060'0000, 0x3040'0000, 0x3020'0000, 0x3000'0000});
    ASSERT_TRUE(ram.allocate(8 * kMiB, 8 * kMiB, found));
    EXPECT_EQ(ram.run_count(), 1u);
}

TEST_F(GuestRamTest, TooLittleMemoryKeepsNothing)
{
    host_has({0x1000'0000, 0x1020'0000});
    Result<void> result = ram.allocate(8 * kMiB, 2 * kMiB, found);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), Error::NoMemory);
    EXPECT_EQ(found.bytes, 4 * kMiB);
    EXPECT_EQ(found.largest_run, 4 * kMiB);
    EXPECT_EQ(host().frames(), 0u);
    EXPECT_EQ(host().heap_objects, 0u);
    EXPECT_EQ(counter.frames(), 0u);
}

TEST_F(GuestRamTest, NoLargeEnoughRunKeepsNothing)
{
    host_has({0x1000'0000, 0x2000'0000, 0x3000'0000, 0x4000'0000, 0x5000'0000, 0x6000'0000, 0x7000'0000});
    Result<void> result = ram.allocate(8 * kMiB, 4 * kMiB, found);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), Error::NoMemory);
    EXPECT_GE(found.bytes, 8 * kMiB);
    EXPECT_EQ(found.largest_run, 2 * kMiB);
    EXPECT_EQ(host().frames(), 0u);
}

TEST_F(GuestRamTest, AllocationCanBeTriedAgainAfterAFailure)
{
    host_has({0x1000'0000});
    ASSERT_FALSE(ram.allocate(4 * kMiB, 2 * kMiB, found));
    host_has({0x1000'0000, 0x1020'0000});
    EXPECT_TRUE(ram.allocate(4 * kMiB, 4 * kMiB, found));
}

TEST_F(GuestRamTest, SmallerBlocksAreTakenWhereLargeOnesAreGone)
{
    host().free_runs = {{0x1000'0000, 4 * kMiB}, {0x2000'0000, 2 * kMiB}};
    ASSERT_TRUE(ram.allocate(6 * kMiB, 4 * kMiB, found));
    EXPECT_EQ(ram.run_count(), 2u);
    EXPECT_EQ(ram.bytes(), 6 * kMiB);
}

TEST_F(GuestRamTest, SignalInterruptsAndKeepsNothing)
{
    host().must_return = true;
    Result<void> result = ram.allocate(8 * kMiB, 2 * kMiB, found);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), Error::Interrupted);
    EXPECT_EQ(host().frames(), 0u);
}

TEST_F(GuestRamTest, HeapThatRunsOutAtAnyPointKeepsNothing)
{
    for (unsigned failing : {0u, 4u}) { // the list of blocks, the list of runs
        host().allocations_until_failure = failing;
        Result<void> result = ram.allocate(12 * kMiB, 2 * kMiB, found);
        EXPECT_EQ(result ? Error{} : result.error(), Error::NoMemory);
        EXPECT_EQ(host().frames(), 0u);
        EXPECT_EQ(host().heap_objects, 0u);
    }
}

TEST_F(GuestRamTest, SecondAllocationIsBusy)
{
    ASSERT_TRUE(ram.allocate(2 * kMiB, 0, found));
    EXPECT_EQ(ram.allocate(2 * kMiB, 0, found).error(), Error::Busy);
}

TEST_F(GuestRamTest, UnusableSizesAreRejected)
{
    constexpr std::uint64_t kLargestMultiple = ~0ull & ~(2 * kMiB - 1);
    for (std::uint64_t bytes : {0ull, 1ull, 3 * kMiB + 0ull, kLargestMultiple + 0ull, 1ull << 43})
        EXPECT_EQ(ram.allocate(bytes, 0, found).error(), Error::InvalidArgument) << bytes;
    EXPECT_EQ(ram.allocate(2 * kMiB, 4 * kMiB, found).error(), Error::InvalidArgument);
    EXPECT_EQ(host().count("heap_allocate"), 0u);
}

TEST_F(GuestRamTest, RangesThatOverflowOrLeaveTheRunAreNotContained)
{
    host_has({0x1000'0000, 0x2000'0000});
    ASSERT_TRUE(ram.allocate(4 * kMiB, 2 * kMiB, found));
    EXPECT_TRUE(ram.contains(Phys{0x1000'0000}, 2 * kMiB));
    EXPECT_TRUE(ram.contains(Phys{0x201f'f000}, kPageSize));
    EXPECT_FALSE(ram.contains(Phys{0x1000'0000}, 2 * kMiB + 1));
    EXPECT_FALSE(ram.contains(Phys{0x0fff'f000}, kPageSize));
    EXPECT_FALSE(ram.contains(Phys{0x1000'0000}, 0x1020'0000));
    EXPECT_FALSE(ram.contains(Phys{0x101f'f000}, ~0ull));
    EXPECT_FALSE(ram.contains(Phys{~0ull - 4095}, 2 * kPageSize));
}

TEST_F(GuestRamTest, FramesAreFoundByTheirOffset)
{
    host_has({0x2000'0000, 0x1000'0000});
    ASSERT_TRUE(ram.allocate(4 * kMiB, 2 * kMiB, found));
    EXPECT_EQ(ram.frame_at(0), Phys{0x1000'0000});
    EXPECT_EQ(ram.frame_at(2 * kMiB - 1), Phys{0x101f'f000});
    EXPECT_EQ(ram.frame_at(2 * kMiB), Phys{0x2000'0000});
    EXPECT_EQ(ram.frame_at(4 * kMiB), Phys{});
    EXPECT_EQ(ram.frame_at(~0ull), Phys{});
}

} // namespace

} // namespace colinux
