// SPDX-License-Identifier: GPL-2.0
#include "test_files.hpp"

#include "vmm/loader/placement.hpp"

#include <gtest/gtest.h>

namespace colinux::testing {
namespace {

constexpr std::uint64_t M = 1 << 20;

GuestMemory memory_of(std::vector<GuestMemory::Range> ranges) { return GuestMemory{std::move(ranges)}; }

TEST(Placement, KernelThenGraftThenInitrd)
{
    Placement place = place_kernel(memory_of({{.phys = 64 * M, .bytes = 64 * M, .host = nullptr}}), 32 * M, 5 * M, "k");
    EXPECT_EQ(place.kernel, 64 * M);
    EXPECT_EQ(place.graft, 96 * M);
    EXPECT_EQ(place.initrd, 98 * M);
}

TEST(Placement, SmallRunsAreSkippedAndTakeTheInitrd)
{
    Placement place = place_kernel(memory_of({{16 * M, 8 * M, nullptr}, {64 * M, 34 * M, nullptr}}), 32 * M, 5 * M, "k");
    EXPECT_EQ(place.kernel, 64 * M);
    EXPECT_EQ(place.initrd, 16 * M);
}

TEST(Placement, NoRunIsLargeEnough)
{
    Failure failure = failure_of([] { place_kernel(memory_of({{16 * M, 33 * M, nullptr}}), 32 * M, 0, "k"); });
    EXPECT_EQ(failure.code(), ExitCode::MemoryNotFound);
    EXPECT_TRUE(mentions(failure, "34 MiB"));
    EXPECT_TRUE(mentions(failure, "33 MiB"));
}

TEST(Placement, NoRoomForTheInitrd)
{
    Failure failure = failure_of([] { place_kernel(memory_of({{16 * M, 40 * M, nullptr}}), 32 * M, 9 * M, "k"); });
    EXPECT_TRUE(mentions(failure, "initrd"));
}

} // namespace
} // namespace colinux::testing
