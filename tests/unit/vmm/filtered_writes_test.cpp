// SPDX-License-Identifier: GPL-2.0
#include "vmm/filtered_writes.hpp"

#include <colinux/boot_info.h>
#include <colinux/register_policy.h>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace colinux {
namespace {

using nlohmann::json;

// A guest of which nothing exists but the graft's counters
class FilteredWrites : public testing::Test {
protected:
    static constexpr std::uint64_t kGraftPhys = 0x20'0000, kOffset = 0x1000;
    std::vector<std::byte> ram = std::vector<std::byte>(kOffset + sizeof(co_filtered_writes));
    GuestMemory memory{{{kGraftPhys, ram.size(), ram.data()}}};
    LoadedKernel loaded{};
    co_filtered_writes counters{.version = CO_REGISTER_POLICY_VERSION, .last_unlisted = 0, .unlisted = 0, .msr = {}, .control = {}};

    FilteredWrites()
    {
        loaded.graft_phys = kGraftPhys;
        loaded.graft_symbols = {{"co_filtered_writes", CO_GRAFT_VIRT + kOffset}};
    }
    json shown()
    {
        std::memcpy(ram.data() + kOffset, &counters, sizeof counters);
        return filtered_writes(loaded, memory);
    }
};

TEST_F(FilteredWrites, OnlyWhatHappenedIsShown) { EXPECT_EQ(shown(), json::object()); }

TEST_F(FilteredWrites, RowsHaveTheirNames)
{
    counters.msr[co_find_msr_rule(0x1d9)] = 3;
    counters.msr[co_find_msr_rule(0x234)] = 1; // inside a range
    counters.control[2] = 7;
    EXPECT_EQ(shown(), (json{{"IA32_DEBUGCTL", 3}, {"IA32_MTRR_PHYS*", 1}, {co_control_rules[2].name, 7}}));
}

TEST_F(FilteredWrites, LastOfTheOthersIsNamed)
{
    counters.unlisted = 2;
    counters.last_unlisted = 0xc001'1234;
    EXPECT_EQ(shown(), (json{{"others", 2}, {"last_other", "0xc0011234"}}));
}

TEST_F(FilteredWrites, GraftOfAnotherBuildShowsNothing)
{
    counters.msr[0] = 1;
    counters.version++;
    EXPECT_EQ(shown(), json::object());
}

TEST_F(FilteredWrites, GraftWithoutCountersShowsNothing)
{
    counters.msr[0] = 1;
    loaded.graft_symbols.clear();
    EXPECT_EQ(shown(), json::object());
}

TEST_F(FilteredWrites, CountersOutsideOfMemoryShowNothing)
{
    loaded.graft_symbols["co_filtered_writes"] += 0x1000;
    EXPECT_EQ(shown(), json::object());
}

} // namespace
} // namespace colinux
