// SPDX-License-Identifier: GPL-2.0
// Names of guests: taken, free, left behind by a killed daemon.
#include "vmm/run_directory.hpp"

#include "vmm/failure.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace colinux {
namespace {

class RunDirectoryTest : public testing::Test {
protected:
    RunDirectoryTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_RUN_DIR", folder_.c_str(), 1);
    }
    ~RunDirectoryTest() override { std::filesystem::remove_all(folder_); }

    std::size_t files() const
    {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder_}, {}));
    }

    std::string folder_;
};

TEST_F(RunDirectoryTest, SecondClaimIsRefused)
{
    RunDirectory directory;
    NameClaim first{directory, "web"};
    try {
        NameClaim second{directory, "web"};
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::NameTaken);
    }
    EXPECT_EQ(directory.names(), std::vector<std::string>{"web"});
}

TEST_F(RunDirectoryTest, ReleasedNameIsFreeAndLeavesNothing)
{
    RunDirectory directory;
    {
        NameClaim first{directory, "web"};
    }
    EXPECT_EQ(files(), 0u);
    EXPECT_NO_THROW((NameClaim{directory, "web"}));
}

TEST_F(RunDirectoryTest, EmptyNameTakesTheFirstFreeNumber)
{
    RunDirectory directory;
    NameClaim first{directory, ""}, second{directory, ""};
    EXPECT_EQ(first.name(), "guest1");
    EXPECT_EQ(second.name(), "guest2");
    first.release();
    EXPECT_EQ((NameClaim{directory, ""}.name()), "guest1");
}

TEST_F(RunDirectoryTest, WhatAKilledDaemonLeftIsSweptAway)
{
    RunDirectory directory;
    std::ofstream{directory.lock_path("dead")};
    std::ofstream{directory.socket_path("dead")};
    EXPECT_TRUE(directory.names().empty());
    EXPECT_EQ(files(), 0u);
}

TEST_F(RunDirectoryTest, NameOfAKilledDaemonCanBeClaimed)
{
    RunDirectory directory;
    std::ofstream{directory.lock_path("dead")};
    std::ofstream{directory.socket_path("dead")};
    NameClaim claim{directory, "dead"};
    EXPECT_FALSE(std::filesystem::exists(directory.socket_path("dead")));
}

TEST_F(RunDirectoryTest, AbsentFolderHasNoGuests)
{
    setenv("COLINUX_RUN_DIR", (folder_ + "/absent").c_str(), 1);
    EXPECT_TRUE(RunDirectory{}.names().empty());
}

} // namespace
} // namespace colinux
