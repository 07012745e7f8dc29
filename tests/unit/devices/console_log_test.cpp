// SPDX-License-Identifier: GPL-2.0
// ConsoleLog: bounded, with the beginning, the end, and the truth about what is between.
#include "control/failure.hpp"
#include "tests/fakes/temporary_file.hpp"
#include "vmm/devices/console_log.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <regex>

namespace colinux {
namespace {

constexpr std::uint64_t kMostBytes = ConsoleLog::kFirstBytes + 2 * ConsoleLog::kLastBytes + 100;

struct ConsoleLogTest : testing::Test {
    TemporaryFile file{0};
    ConsoleLog log{file.path()};
    std::string all;

    void print(const std::string& text)
    {
        log.append(text);
        all += text;
    }
    void print_lines(unsigned count)
    {
        for (unsigned i = 0; i < count; i++)
            print("line " + std::to_string(i) + "\n");
    }
    std::string in_file() const { return file.read(0, 16 << 20); }
};

TEST_F(ConsoleLogTest, ShortTextIsKeptWhole)
{
    print_lines(50'000);
    EXPECT_LT(all.size(), kMostBytes);
    EXPECT_EQ(log.text(), all);
    EXPECT_EQ(in_file(), all);
}

TEST_F(ConsoleLogTest, LongTextKeepsItsBeginningAndItsEnd)
{
    print_lines(300'000);
    std::string kept = log.text();
    EXPECT_EQ(in_file(), kept);
    EXPECT_LE(kept.size(), kMostBytes);
    EXPECT_EQ(kept.substr(0, ConsoleLog::kFirstBytes), all.substr(0, ConsoleLog::kFirstBytes));
    EXPECT_EQ(kept.substr(kept.size() - ConsoleLog::kLastBytes), all.substr(all.size() - ConsoleLog::kLastBytes));
}

TEST_F(ConsoleLogTest, WhatIsMissingIsCounted)
{
    print_lines(300'000);
    std::string kept = log.text();
    std::smatch found;
    ASSERT_TRUE(std::regex_search(kept, found, std::regex{"\r\ncolinuxd: ([0-9]+) bytes are left out here\r\nline "}));
    EXPECT_EQ(static_cast<std::uint64_t>(found.position()), ConsoleLog::kFirstBytes);
    std::uint64_t line_bytes = static_cast<std::uint64_t>(found.length()) - 5;
    EXPECT_EQ(std::stoull(found[1]), all.size() - (kept.size() - line_bytes));
    EXPECT_EQ(kept.find("left out", static_cast<std::size_t>(found.position() + found.length())), std::string::npos);
}

TEST_F(ConsoleLogTest, TextWithoutLinesIsBoundedToo)
{
    for (int i = 0; i < 40; i++)
        print(std::string(100'000, static_cast<char>('a' + i % 26)));
    EXPECT_LE(log.text().size(), kMostBytes);
    EXPECT_TRUE(log.text().ends_with(all.substr(all.size() - ConsoleLog::kLastBytes)));
}

TEST_F(ConsoleLogTest, OneHugeTextIsBoundedToo)
{
    print(std::string(20 << 20, 'x') + "end\n");
    EXPECT_LE(log.text().size(), kMostBytes);
    EXPECT_TRUE(log.text().ends_with("xend\n"));
}

TEST_F(ConsoleLogTest, NewLogBeginsEmptyAndIsTheOwnersAlone)
{
    print("of an earlier guest\n");
    ConsoleLog next{file.path()};
    EXPECT_EQ(next.text(), "");
    EXPECT_EQ(in_file(), "");
    TemporaryFile other{0};
    unlink(other.path());
    ConsoleLog fresh{other.path()};
    struct stat status{};
    EXPECT_EQ(stat(other.path(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ConsoleLogTest, FullDiskCostsTextOnly)
{
    ConsoleLog full{"/dev/full"};
    full.append("lost");
    EXPECT_EQ(full.text(), "");
}

TEST_F(ConsoleLogTest, FolderThatIsNotThereIsAFailure)
{
    EXPECT_THROW(ConsoleLog{"/nonexistent/log"}, Failure);
}

} // namespace
} // namespace colinux
