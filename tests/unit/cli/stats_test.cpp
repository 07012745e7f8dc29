// SPDX-License-Identifier: GPL-2.0
#include "cli/stats.hpp"

#include <gtest/gtest.h>

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

} // namespace
} // namespace colinux
