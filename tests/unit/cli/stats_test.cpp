// SPDX-License-Identifier: GPL-2.0
#include "cli/daemon_memory.hpp"
#include "cli/stats.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include <unistd.h>

namespace colinux {
namespace {

using nlohmann::json;

TEST(StatsTest, RatesArePerSecond)
{
    json before{{"switches", 100}, {"calls", {{"idle", 10}, {"timer", 7}}}, {"memory_bytes", 4096}};
    json now{{"switches", 151}, {"calls", {{"idle", 25}, {"timer", 7}, {"doorbell", 1}}}, {"memory_bytes", 8192}};
    EXPECT_EQ(rates(before, now, 2.0), (json{{"switches", 25.5}, {"calls", {{"idle", 7.5}, {"doorbell", 0.5}}}}));
}

TEST(StatsTest, FilteredWritesHaveRatesAndTheNameOfTheLastHasNone)
{
    json before{{"filtered_writes", json::object()}};
    json now{{"filtered_writes", {{"IA32_EFER", 2}, {"others", 1}, {"last_other", "0x1234"}}}};
    EXPECT_EQ(rates(before, now, 1.0), (json{{"filtered_writes", {{"IA32_EFER", 2.0}, {"others", 1.0}}}}));
}

TEST(StatsTest, NothingHappened)
{
    json same{{"switches", 5}, {"calls", {{"idle", 5}}}};
    EXPECT_EQ(rates(same, same, 1.0), (json{{"switches", 0.0}, {"calls", json::object()}}));
}

TEST(DaemonMemory, GuestRamAndFilesAreNotItsOwn)
{
    std::istringstream smaps{"555555554000-5555555f0000 r-xp 00000000 fe:01 123   /usr/libexec/colinux/colinuxd\n"
                             "Rss:       600 kB\nPrivate_Clean:   20 kB\nAnonymous:   0 kB\n"
                             "5555555f0000-5555555f5000 rw-p 00000000 fe:01 123   /usr/libexec/colinux/colinuxd\nAnonymous:   20 kB\n"
                             "7fffc9c00000-7fffe8000000 rw-s 00000000 00:0e 9   anon_inode:colinux-guest\n"
                             "Rss:    500000 kB\nPrivate_Dirty: 499996 kB\nAnonymous:  8 kB\nVmFlags: rd wr sh\n"
                             "7fffe8000000-7fffe8021000 rw-p 00000000 00:00 0 \nPrivate_Dirty: 100 kB\nAnonymous:  100 kB\n"};
    EXPECT_EQ(own_bytes(smaps), 120u * 1024);
}

TEST(DaemonMemory, OfAProcessThatRunsAndOfNone)
{
    EXPECT_GT(own_bytes_of(getpid()).value_or(0), 0u);
    EXPECT_EQ(own_bytes_of(0), std::nullopt);
}

} // namespace
} // namespace colinux
