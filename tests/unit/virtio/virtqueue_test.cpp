// SPDX-License-Identifier: GPL-2.0
// Virtqueue with a well-behaved driver: chains, indirect tables, notification suppression, wrap-around.
#include "tests/fakes/fake_guest.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace colinux {
namespace {

constexpr std::uint64_t kEventIndex = 1ull << VIRTIO_F_EVENT_IDX;
constexpr std::uint64_t kIndirect = 1ull << VIRTIO_F_INDIRECT_DESC;

struct VirtqueueTest : testing::Test {
    FakeGuest guest;
    FakeQueue driver{guest, 8};
    DescriptorChain chain;

    Virtqueue device(std::uint64_t features = 0) { return {guest.memory(), driver.layout(), features}; }
};

TEST_F(VirtqueueTest, EmptyRingHasNothing)
{
    Virtqueue queue = device();
    EXPECT_FALSE(queue.pop(chain));
}

TEST_F(VirtqueueTest, ChainIsSplitByDirection)
{
    std::uint64_t request = guest.allocate_text("read me");
    std::uint64_t answer = guest.allocate(100);
    std::uint16_t head = driver.add({{request, 4, false}, {request + 4, 3, false}, {answer, 100, true}});
    Virtqueue queue = device();

    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.head, head);
    EXPECT_EQ(chain.readable_bytes(), 7u);
    EXPECT_EQ(chain.writable_bytes(), 100u);
    char text[7];
    EXPECT_EQ(chain.read(bytes_of(text)), 7u);
    EXPECT_EQ(std::string(text, 7), "read me");
    EXPECT_TRUE(chain.readable.empty());
    EXPECT_FALSE(queue.pop(chain));
}

TEST_F(VirtqueueTest, AnswerReachesDriver)
{
    std::uint64_t answer = guest.allocate(16);
    std::uint16_t head = driver.add({{answer, 3, true}, {answer + 8, 8, true}});
    Virtqueue queue = device();
    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.write(std::as_bytes(std::span{"answer", 6})), 6u);
    queue.push_used(chain.head, 6);

    VirtqUsedElem used;
    ASSERT_TRUE(driver.take_used(used));
    EXPECT_EQ(used.id, head);
    EXPECT_EQ(used.len, 6u);
    EXPECT_EQ(guest.text_at(answer, 3), "ans");
    EXPECT_EQ(guest.text_at(answer + 8, 3), "wer");
}

TEST_F(VirtqueueTest, LastWritableByteIsCutOff)
{
    std::uint64_t answer = guest.allocate(16);
    driver.add({{answer, 8, true}, {answer + 8, 1, true}});
    Virtqueue queue = device();
    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.take_last_writable_byte(), guest.at(answer + 8));
    EXPECT_EQ(chain.writable.size(), 1u);
    EXPECT_EQ(chain.take_last_writable_byte(), guest.at(answer + 7));
    EXPECT_EQ(chain.writable_bytes(), 7u);
}

TEST_F(VirtqueueTest, IndirectTableIsFollowed)
{
    std::uint64_t buffer = guest.allocate(64);
    std::uint16_t head = driver.add_indirect({{buffer, 16, false}, {buffer + 16, 16, true}, {buffer + 32, 1, true}});
    Virtqueue queue = device(kIndirect);
    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.head, head);
    EXPECT_EQ(chain.readable_bytes(), 16u);
    EXPECT_EQ(chain.writable_bytes(), 17u);
}

TEST_F(VirtqueueTest, ChainAsLongAsTheQueueIsTaken)
{
    std::uint64_t buffer = guest.allocate(8);
    driver.add(std::vector<FakeBuffer>(8, {buffer, 1, true}));
    Virtqueue queue = device();
    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.writable.size(), 8u);
}

TEST_F(VirtqueueTest, IndirectChainAsLongAsTheQueueIsTaken)
{
    std::uint64_t buffer = guest.allocate(8);
    driver.add_indirect(std::vector<FakeBuffer>(8, {buffer, 1, true}));
    Virtqueue queue = device(kIndirect);
    ASSERT_TRUE(queue.pop(chain));
    EXPECT_EQ(chain.writable.size(), 8u);
}

TEST_F(VirtqueueTest, IndexesWrapAfter65536Requests)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device(kEventIndex);
    VirtqUsedElem used{};
    for (unsigned i = 0; i < 70000; i++) {
        std::uint16_t head = driver.add({{buffer, 8, true}});
        ASSERT_TRUE(queue.pop(chain));
        driver.ask_for_interrupt();
        queue.push_used(chain.head, i);
        ASSERT_TRUE(queue.wants_interrupt());
        ASSERT_TRUE(driver.take_used(used));
        ASSERT_EQ(used.id, head);
        ASSERT_EQ(used.len, i);
    }
}

TEST_F(VirtqueueTest, WithoutEventIndexTheFlagSuppressesInterrupts)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device();
    driver.add({{buffer, 8, true}});
    driver.add({{buffer, 8, true}});
    queue.pop(chain);
    queue.push_used(chain.head, 0);
    EXPECT_TRUE(queue.wants_interrupt());
    EXPECT_FALSE(queue.wants_interrupt()) << "nothing new since the last question";

    driver.available()[0] = VIRTQ_AVAIL_F_NO_INTERRUPT;
    queue.pop(chain);
    queue.push_used(chain.head, 0);
    EXPECT_FALSE(queue.wants_interrupt());
}

TEST_F(VirtqueueTest, EventIndexInterruptsOnceWhenPassed)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device(kEventIndex);
    *driver.used_event() = 2; // "when the third one is used"
    for (int i = 0; i < 4; i++)
        driver.add({{buffer, 8, true}});
    bool wanted[4];
    for (bool& wants : wanted) {
        queue.pop(chain);
        queue.push_used(chain.head, 0);
        wants = queue.wants_interrupt();
    }
    EXPECT_FALSE(wanted[0]);
    EXPECT_FALSE(wanted[1]);
    EXPECT_TRUE(wanted[2]);
    EXPECT_FALSE(wanted[3]);
}

TEST_F(VirtqueueTest, BatchAsksForOneInterrupt)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device(kEventIndex);
    driver.ask_for_interrupt();
    for (int i = 0; i < 5; i++)
        driver.add({{buffer, 8, true}});
    EXPECT_FALSE(queue.drain(chain, [&](DescriptorChain& one) { queue.push_used(one.head, 0); }));
    EXPECT_TRUE(queue.wants_interrupt());
    EXPECT_FALSE(queue.wants_interrupt());
}

TEST_F(VirtqueueTest, DoorbellIsExpectedOnlyAtTheEndOfTheRing)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device(kEventIndex);
    driver.add({{buffer, 8, true}});
    EXPECT_TRUE(queue.expect_doorbell()) << "one is there already";
    EXPECT_TRUE(queue.pop(chain));
    EXPECT_FALSE(queue.expect_doorbell());

    std::uint16_t before = *driver.avail_index();
    driver.add({{buffer, 8, true}});
    EXPECT_TRUE(driver.must_ring(before));
    before = *driver.avail_index();
    driver.add({{buffer, 8, true}});
    EXPECT_FALSE(driver.must_ring(before)) << "the device has been told already";
}

TEST_F(VirtqueueTest, FlagSparesDoorbellWithoutEventIndex)
{
    Virtqueue queue = device();
    queue.suppress_doorbell();
    EXPECT_EQ(driver.used()[0], VIRTQ_USED_F_NO_NOTIFY);
    EXPECT_FALSE(queue.expect_doorbell());
    EXPECT_EQ(driver.used()[0], 0);
}

TEST_F(VirtqueueTest, DrainStopsWhenTheDriverNeverDoes)
{
    std::uint64_t buffer = guest.allocate(8);
    Virtqueue queue = device(kEventIndex);
    driver.add({{buffer, 8, true}});
    unsigned handled = 0;
    bool more = queue.drain(chain, [&](DescriptorChain& one) {
        queue.push_used(one.head, 0);
        driver.make_available(one.head); // at once again
        handled++;
    });
    EXPECT_TRUE(more);
    EXPECT_LE(handled, 100u);
}

} // namespace
} // namespace colinux
