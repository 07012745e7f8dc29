// SPDX-License-Identifier: GPL-2.0
// Virtqueue with a driver that lies: each lie is a RingError and never an access outside guest memory.
#include "tests/fakes/fake_guest.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

constexpr std::uint64_t kIndirect = 1ull << VIRTIO_F_INDIRECT_DESC;

struct HostileRing : testing::Test {
    FakeGuest guest;
    FakeQueue driver{guest, 8};
    std::uint64_t buffer = guest.allocate(64);
    DescriptorChain chain;

    Virtqueue device(std::uint64_t features = kIndirect) { return {guest.memory(), driver.layout(), features}; }
    void expect_refusal(std::uint64_t features = kIndirect)
    {
        Virtqueue queue = device(features);
        EXPECT_THROW(queue.pop(chain), RingError);
    }
};

TEST_F(HostileRing, SizeMustBeAPowerOfTwo)
{
    Virtqueue::Layout layout = driver.layout();
    layout.size = 6;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
    layout.size = 0;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
}

TEST_F(HostileRing, AreasMustLieInGuestMemory)
{
    Virtqueue::Layout layout = driver.layout();
    layout.descriptors = guest.end() - 64;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
    layout = driver.layout();
    layout.available = 0;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
    layout = driver.layout();
    layout.used = ~std::uint64_t{3};
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
}

TEST_F(HostileRing, AreasMustBeAligned)
{
    Virtqueue::Layout layout = driver.layout();
    layout.descriptors += 8;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
    layout = driver.layout();
    layout.used += 2;
    EXPECT_THROW((Virtqueue{guest.memory(), layout, 0}), RingError);
}

TEST_F(HostileRing, LoopIsFound)
{
    driver.table()[0] = {buffer, 8, VIRTQ_DESC_F_NEXT, 1};
    driver.table()[1] = {buffer, 8, VIRTQ_DESC_F_NEXT, 0};
    driver.make_available(0);
    expect_refusal();
}

// In the three tests that name what lies behind a table a good descriptor lies there: only the bound refuses it.
TEST_F(HostileRing, HeadOutsideTheTable)
{
    driver.table()[8] = {buffer, 8, 0, 0};
    driver.make_available(8);
    expect_refusal();
}

TEST_F(HostileRing, NextOutsideTheTable)
{
    driver.table()[8] = {buffer, 8, 0, 0};
    driver.table()[0] = {buffer, 8, VIRTQ_DESC_F_NEXT, 8};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, BufferOutsideGuestMemory)
{
    driver.table()[0] = {guest.end() - 4, 8, 0, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, BufferThatWrapsTheAddressSpace)
{
    driver.table()[0] = {~std::uint64_t{0} - 3, 8, 0, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, EmptyBuffer)
{
    driver.table()[0] = {buffer, 0, 0, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, ReadableAfterWritable)
{
    driver.add({{buffer, 8, true}, {buffer + 8, 8, false}});
    expect_refusal();
}

TEST_F(HostileRing, AvailableIndexTooFarAhead)
{
    *driver.avail_index() = 9;
    expect_refusal();
}

TEST_F(HostileRing, AvailableIndexGoesBack)
{
    Virtqueue queue = device();
    driver.add({{buffer, 8, true}});
    ASSERT_TRUE(queue.pop(chain));
    *driver.avail_index() = 0;
    EXPECT_THROW(queue.pop(chain), RingError);
}

TEST_F(HostileRing, IndirectThatWasNotNegotiated)
{
    driver.add_indirect({{buffer, 8, true}});
    expect_refusal(0);
}

TEST_F(HostileRing, IndirectInsideIndirect)
{
    std::uint64_t table = guest.allocate(32);
    guest.at<VirtqDesc>(table)[0] = {table, 16, VIRTQ_DESC_F_INDIRECT, 0};
    driver.table()[0] = {table, 32, VIRTQ_DESC_F_INDIRECT, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, IndirectWithNext)
{
    driver.add_indirect({{buffer, 8, true}});
    driver.table()[0].flags |= VIRTQ_DESC_F_NEXT;
    expect_refusal();
}

TEST_F(HostileRing, IndirectTableOfBadLength)
{
    driver.add_indirect({{buffer, 8, true}});
    driver.table()[0].len = 15;
    expect_refusal();
}

TEST_F(HostileRing, IndirectTableLongerThanTheQueue)
{
    std::uint64_t table = guest.allocate(9 * 16);
    driver.table()[0] = {table, 9 * 16, VIRTQ_DESC_F_INDIRECT, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, IndirectTableOutsideGuestMemory)
{
    driver.table()[0] = {guest.end(), 32, VIRTQ_DESC_F_INDIRECT, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, IndirectLoop)
{
    std::uint64_t table = guest.allocate(32);
    guest.at<VirtqDesc>(table)[0] = {buffer, 8, VIRTQ_DESC_F_NEXT, 0};
    driver.table()[0] = {table, 32, VIRTQ_DESC_F_INDIRECT, 0};
    driver.make_available(0);
    expect_refusal();
}

TEST_F(HostileRing, IndirectTableThatEndsInTheMiddleOfAChain)
{
    std::uint64_t table = guest.allocate(48);
    guest.at<VirtqDesc>(table)[0] = {buffer, 8, VIRTQ_DESC_F_NEXT, 2};
    guest.at<VirtqDesc>(table)[2] = {buffer, 8, 0, 0};
    driver.table()[0] = {table, 32, VIRTQ_DESC_F_INDIRECT, 0};
    driver.make_available(0);
    expect_refusal();
}

} // namespace
} // namespace colinux
