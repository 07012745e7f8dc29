// SPDX-License-Identifier: GPL-2.0
#include "standing_guest.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

constexpr std::uint64_t kVirt = 0xffff'c900'1000'0000;

TEST(GuestPages, ReadsAndWritesAcrossPagesThatLieApart)
{
    StandingGuest guest;
    guest.map(kVirt, StandingGuest::kRam + 0x52'0000);
    guest.map(kVirt + 4096, StandingGuest::kRam + 0x51'0000);
    std::uint64_t value = 0x1122334455667788;
    ASSERT_TRUE(guest.pages().write(kVirt + 4092, &value, 8));
    EXPECT_EQ(guest.pages().at<std::uint64_t>(kVirt + 4092), value);
    EXPECT_EQ(read_guest<std::uint32_t>(guest.memory, StandingGuest::kRam + 0x51'0000), 0x11223344u);
}

TEST(GuestPages, WriteIsAllOrNothing)
{
    StandingGuest guest;
    guest.map(kVirt, StandingGuest::kRam + 0x52'0000);
    std::uint64_t value = ~0ull;
    EXPECT_FALSE(guest.pages().write(kVirt + 4092, &value, 8));
    EXPECT_EQ(read_guest<std::uint32_t>(guest.memory, StandingGuest::kRam + 0x52'0ffc), 0u);
}

TEST(GuestPages, AddressesThatLeadOutOfGuestMemoryAreNotMapped)
{
    StandingGuest guest;
    guest.map(kVirt, 0x1000); // the host's
    std::uint64_t bytes;
    EXPECT_EQ(guest.pages().find(kVirt, bytes), nullptr);
    EXPECT_EQ(GuestPages(guest.memory, 0x7fff'f000, false).find(kVirt, bytes), nullptr);
    EXPECT_EQ(guest.pages().find(0xdead'0000'0000'0000, bytes), nullptr);
}

TEST(GuestPages, LargePages)
{
    StandingGuest guest;
    std::uint64_t table = StandingGuest::kRam + 0x70'0000, large = StandingGuest::kRam | 0x83;
    std::uint64_t to_second = (table + 4096) | 3, to_third = (table + 8192) | 3;
    std::memcpy(guest.memory.translate(table + 8 * 0, 8), &to_second, 8);
    std::memcpy(guest.memory.translate(table + 4096, 8), &to_third, 8);
    std::memcpy(guest.memory.translate(table + 8192 + 8, 8), &large, 8); // 2 MiB at virtual 2 MiB
    GuestPages pages{guest.memory, table, false};
    std::uint64_t bytes = 0;
    EXPECT_EQ(pages.find(0x20'0000 + 0x12345, bytes), guest.memory.translate(StandingGuest::kRam + 0x12345, 1));
    EXPECT_EQ(bytes, 4096u - 0x345);
}

TEST(SavedState, OfAVcpuThatNeverRanIsNone)
{
    StandingGuest guest;
    EXPECT_FALSE(read_saved_state(guest.memory, guest.passages[0]));
}

TEST(SavedState, HasWhatTheSwitchPushed)
{
    StandingGuest guest;
    guest.leave(0x1234, StandingGuest::kStack + 0x1000, 0x5678);
    SavedState state = guest.state();
    EXPECT_EQ(state.rip, 0x1234u);
    EXPECT_EQ(state.rsp, StandingGuest::kStack + 0x1000);
    EXPECT_EQ(state.rbp, 0x5678u);
    EXPECT_EQ(state.rbx, 0xbu);
    EXPECT_EQ(state.r12, 12u);
    EXPECT_EQ(state.r15, 15u);
    EXPECT_EQ(state.rflags, 2u);
    EXPECT_EQ(state.call, static_cast<unsigned>(CO_CALL_PANIC));
}

} // namespace
} // namespace colinux::testing
