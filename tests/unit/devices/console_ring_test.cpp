// SPDX-License-Identifier: GPL-2.0
// ConsoleRing against a graft played by the test: output, wrap-around, input, and a graft gone wrong.
#include "control/failure.hpp"
#include "tests/fakes/fake_guest.hpp"
#include "vmm/devices/console_ring.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

struct ConsoleRingTest : testing::Test {
    ConsoleRingTest()
    {
        console.connect(loop, [this](std::string_view text) { shown += text; });
    }
    void print(std::string_view text)
    {
        for (char byte : text)
            ring->data[ring->head++ % ring->size] = byte;
    }
    std::string read_input()
    {
        std::string text;
        while (ring->input_tail != ring->input_head)
            text += reinterpret_cast<char*>(ring)[ring->input_offset + ring->input_tail++ % ring->input_size];
        return text;
    }

    FakeGuest guest;
    std::uint64_t phys = guest.allocate(ConsoleRing::bytes_needed(), 4096);
    co_console_ring* ring = guest.at<co_console_ring>(phys);
    EventLoop loop{"test"};
    std::string shown;
    ConsoleRing console{guest.memory(), phys};
};

TEST_F(ConsoleRingTest, IsFormattedForTheGraft)
{
    EXPECT_EQ(ring->size, 65536u);
    EXPECT_EQ(ring->input_size, 4096u);
    EXPECT_LE(ring->input_offset + ring->input_size, ConsoleRing::bytes_needed());
    EXPECT_EQ(ring->rows, 24);
    EXPECT_EQ(ring->columns, 80);
}

TEST_F(ConsoleRingTest, OutputIsShownOnceAndRoomIsGivenBack)
{
    print("Linux version 6.1\n");
    console.drain();
    console.drain();
    EXPECT_EQ(shown, "Linux version 6.1\n");
    EXPECT_EQ(ring->tail, ring->head);
}

TEST_F(ConsoleRingTest, OutputWrapsAround)
{
    std::string all;
    for (int i = 0; i < 5000; i++) {
        std::string line = "line " + std::to_string(i) + " with some text behind it\n";
        all += line;
        print(line);
        console.drain();
    }
    EXPECT_GT(ring->head, 2u * ring->size);
    EXPECT_EQ(shown, all);
}

TEST_F(ConsoleRingTest, FullRingIsShownWhole)
{
    std::string text(65536, 'x');
    print(text);
    console.drain();
    EXPECT_EQ(shown, text);
}

TEST_F(ConsoleRingTest, HeadFarAheadShowsAtMostOneRing)
{
    ring->head = 1ull << 60;
    console.drain();
    EXPECT_EQ(shown.size(), 65536u);
    ring->head = 5; // and back
    console.drain();
    EXPECT_EQ(shown.size(), 2 * 65536u);
}

TEST_F(ConsoleRingTest, HostileSizesAreNotBelieved)
{
    ring->size = 1u << 31;
    ring->input_size = 1u << 31;
    ring->input_offset = 1u << 31;
    ring->head = 100000;
    console.drain();
    EXPECT_EQ(shown.size(), 65536u);
    EXPECT_EQ(console.write_input("abc"), 3u);
    EXPECT_EQ(guest.text_at(phys + sizeof(co_console_ring) + 65536, 3), "abc");
}

TEST_F(ConsoleRingTest, InputIsTakenAsFarAsThereIsRoom)
{
    std::string typed(5000, 'k');
    EXPECT_EQ(console.write_input(typed), 4096u);
    EXPECT_EQ(console.write_input("more"), 0u);
    EXPECT_EQ(read_input(), std::string(4096, 'k'));
    EXPECT_EQ(console.write_input("more"), 4u);
    EXPECT_EQ(read_input(), "more");
}

TEST_F(ConsoleRingTest, InputTailAheadOfHeadTakesNothing)
{
    ring->input_tail = 77;
    EXPECT_EQ(console.write_input("abc"), 0u);
}

TEST_F(ConsoleRingTest, ResizeReachesTheGraft)
{
    console.resize(50, 132);
    EXPECT_EQ(ring->rows, 50);
    EXPECT_EQ(ring->columns, 132);
}

TEST(ConsoleRing, OutsideGuestMemoryIsRefused)
{
    FakeGuest guest;
    EXPECT_THROW((ConsoleRing{guest.memory(), guest.end() - 4096}), Failure);
}

} // namespace
} // namespace colinux
