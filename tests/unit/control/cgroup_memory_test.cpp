// SPDX-License-Identifier: GPL-2.0
#include "control/cgroup_memory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class CgroupMemoryTest : public ::testing::Test {
protected:
    CgroupMemoryTest()
    {
        char name[] = "/tmp/cgroup_memory_test.XXXXXX";
        root = mkdtemp(name);
    }
    ~CgroupMemoryTest() override { fs::remove_all(root); }

    void write(const fs::path& file, const std::string& text)
    {
        fs::create_directories((root / file).parent_path());
        std::ofstream{root / file} << text << "\n";
    }
    void group(const fs::path& name, const std::string& limit, const std::string& used)
    {
        write(name / "memory.max", limit);
        write(name / "memory.current", used);
    }
    auto least() { return least_cgroup_memory(root, root / "own"); }

    fs::path root;
};

TEST_F(CgroupMemoryTest, TheGroupThatHasLeastLeftCounts)
{
    write("own", "1:cpu:/old\n0::/a/b/c");
    group("a", "1000", "100");
    group("a/b", "500", "450");
    group("a/b/c", "max", "10");
    ASSERT_TRUE(least());
    EXPECT_EQ(least()->group, "/a/b");
    EXPECT_EQ(least()->limit, 500u);
    EXPECT_EQ(least()->left, 50u);
}

TEST_F(CgroupMemoryTest, PageCacheIsNotInTheWay)
{
    write("own", "0::/a");
    group("a", "1000", "900");
    write("a/memory.stat", "anon 300\nfile 600\ninactive_file 400\nactive_file 200");
    ASSERT_TRUE(least());
    EXPECT_EQ(least()->left, 700u);
}

TEST_F(CgroupMemoryTest, MoreUsedThanAllowedLeavesNothing)
{
    write("own", "0::/a");
    group("a", "100", "120");
    ASSERT_TRUE(least());
    EXPECT_EQ(least()->left, 0u);
}

TEST_F(CgroupMemoryTest, NoLimitNoGroupAndNoControlGroupsAreNone)
{
    EXPECT_FALSE(least());
    write("own", "0::/");
    EXPECT_FALSE(least());
    write("own", "0::/a/b");
    group("a", "max", "120");
    EXPECT_FALSE(least());
}

} // namespace
} // namespace colinux
