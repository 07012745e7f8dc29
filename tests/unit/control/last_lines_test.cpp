// SPDX-License-Identifier: GPL-2.0
#include "control/last_lines.hpp"

#include <gtest/gtest.h>

namespace colinux {
namespace {

TEST(LastLines, CountedFromTheEnd)
{
    EXPECT_EQ(last_lines("one\ntwo\nthree\n", 1), "three\n");
    EXPECT_EQ(last_lines("one\ntwo\nthree\n", 2), "two\nthree\n");
}

TEST(LastLines, PromptIsALine)
{
    EXPECT_EQ(last_lines("one\ntwo\nlogin: ", 1), "login: ");
    EXPECT_EQ(last_lines("one\ntwo\nlogin: ", 2), "two\nlogin: ");
}

TEST(LastLines, EmptyLinesCount) { EXPECT_EQ(last_lines("one\n\n\n", 2), "\n\n"); }

TEST(LastLines, NoneAndMoreThanThereAre)
{
    EXPECT_EQ(last_lines("one\ntwo\n", 0), "");
    EXPECT_EQ(last_lines("one\ntwo\n", 3), "one\ntwo\n");
    EXPECT_EQ(last_lines("one\ntwo\n", kAllLines), "one\ntwo\n");
    EXPECT_EQ(last_lines("", 5), "");
    EXPECT_EQ(last_lines("\n", 1), "\n");
}

} // namespace
} // namespace colinux
