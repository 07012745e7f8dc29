// SPDX-License-Identifier: GPL-2.0
// A dump is there whole or not at all, and takes nobody's file away.
#include "control/dump_file.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class DumpFileTest : public testing::Test {
protected:
    DumpFileTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        path_ = folder_ + "/core";
    }
    ~DumpFileTest() override { fs::remove_all(folder_); }

    std::string folder_, path_;
};

TEST_F(DumpFileTest, HasItsNameWhenItIsComplete)
{
    std::ofstream{path_} << "an earlier one";
    {
        DumpFile file{path_};
        ASSERT_EQ(write(file.fd(), "new", 3), 3);
        EXPECT_EQ(fs::file_size(path_), 14u);
        file.complete();
    }
    EXPECT_EQ(fs::file_size(path_), 3u);
    EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write) << "it has all secrets of the guest";
    EXPECT_FALSE(fs::exists(path_ + ".partial"));
}

TEST_F(DumpFileTest, LeavesNothingWhenItIsNot)
{
    { DumpFile file{path_}; }
    EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(DumpFileTest, IsWrittenByOneAtATime)
{
    DumpFile file{path_};
    EXPECT_THROW(DumpFile{path_}, Failure);
    EXPECT_TRUE(fs::exists(path_ + ".partial")) << "the first one's";
}

TEST_F(DumpFileTest, WhatAKilledWriterLeftIsWrittenOver)
{
    std::ofstream{path_ + ".partial"} << "half";
    fs::permissions(path_ + ".partial", fs::perms::owner_read | fs::perms::owner_write);
    DumpFile file{path_};
    EXPECT_EQ(fs::file_size(path_ + ".partial"), 0u);
}

TEST_F(DumpFileTest, TakesNothingElsesPlace)
{
    EXPECT_THROW(DumpFile{"/dev/null"}, Failure);
    EXPECT_THROW(DumpFile{folder_}, Failure);
    EXPECT_THROW(DumpFile{folder_ + "/nowhere/core"}, Failure);
    std::ofstream{path_ + ".partial"} << "half";
    fs::permissions(path_ + ".partial", fs::perms::owner_all | fs::perms::others_read);
    EXPECT_THROW(DumpFile{path_}, Failure) << "others may have it open";
    fs::remove(path_ + ".partial");
    std::ofstream{folder_ + "/precious"} << "data";
    fs::create_symlink(folder_ + "/precious", path_ + ".partial");
    EXPECT_THROW(DumpFile{path_}, Failure);
    fs::remove(path_ + ".partial");
    fs::create_hard_link(folder_ + "/precious", path_ + ".partial");
    EXPECT_THROW(DumpFile{path_}, Failure);
    EXPECT_EQ(fs::file_size(folder_ + "/precious"), 4u);
}

} // namespace
} // namespace colinux
