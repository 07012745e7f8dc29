// SPDX-License-Identifier: GPL-2.0
// Names of guests: taken, free, left behind by a killed daemon.
#include "control/run_directory.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace colinux {
namespace {

class RunDirectoryTest : public testing::Test {
protected:
    RunDirectoryTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_RUN_DIR", folder_.c_str(), 1);
        unsetenv("COLINUX_LOG_DIR");
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

TEST_F(RunDirectoryTest, NameIsTakenWhileItsDaemonLives)
{
    RunDirectory directory;
    EXPECT_FALSE(directory.is_taken("web"));
    std::ofstream{directory.lock_path("web")}; // a killed daemon's
    EXPECT_FALSE(directory.is_taken("web"));
    NameClaim claim{directory, "web"};
    EXPECT_TRUE(directory.is_taken("web"));
}

TEST_F(RunDirectoryTest, DaemonOfANameCanBeSignalled)
{
    RunDirectory directory;
    EXPECT_FALSE(directory.signal_daemon("web", SIGKILL));
    std::ofstream{directory.lock_path("web")} << getpid() << "\n"; // a killed daemon's: its number may be anybody's by now
    EXPECT_FALSE(directory.signal_daemon("web", SIGKILL));
    NameClaim claim{directory, "web"};
    EXPECT_EQ(directory.pid_of_daemon("web"), getpid());
    signal(SIGUSR2, [](int) {});
    EXPECT_TRUE(directory.signal_daemon("web", SIGUSR2));
    signal(SIGUSR2, SIG_DFL);
}

// Bug: names() locked the file of one that had ended meanwhile, then took away what lay there by then: the next one's.
TEST_F(RunDirectoryTest, LookingForNamesTakesNothingFromOneThatHasJustStarted)
{
    RunDirectory directory;
    std::atomic<bool> done{};
    std::jthread looker{[&] {
        while (!done)
            directory.names();
    }};
    for (int i = 0; i < 2000; i++) {
        NameClaim claim{directory, "web"};
        std::ofstream{directory.socket_path("web")};
        for (int look = 0; look < 20; look++)
            if (!std::filesystem::exists(directory.socket_path("web")) || !std::filesystem::exists(directory.lock_path("web")))
                ADD_FAILURE() << "gone in round " << std::exchange(i, 2000);
    }
    done = true;
}

TEST_F(RunDirectoryTest, LogsAreInTheLogFolder)
{
    setenv("COLINUX_LOG_DIR", (folder_ + "/logs").c_str(), 1);
    RunDirectory directory;
    directory.create();
    EXPECT_EQ(directory.log_path("web"), folder_ + "/logs/web.log");
    EXPECT_EQ(std::filesystem::status(folder_ + "/logs").permissions(), std::filesystem::perms::owner_all);
    unsetenv("COLINUX_LOG_DIR");
    EXPECT_EQ(RunDirectory{}.log_path("web"), folder_ + "/web.log");
    unsetenv("COLINUX_RUN_DIR");
    EXPECT_EQ(RunDirectory{}.log_path("web"), "/var/log/colinux/web.log");
}

TEST_F(RunDirectoryTest, LogOfTheLastGuestBecomesThePreviousOne)
{
    RunDirectory directory;
    directory.rotate_logs("web");
    EXPECT_EQ(files(), 0u);
    std::ofstream{directory.log_path("web")} << "first";
    directory.rotate_logs("web");
    EXPECT_FALSE(std::filesystem::exists(directory.log_path("web")));
    std::ofstream{directory.log_path("web")} << "second one";
    directory.rotate_logs("web");
    EXPECT_EQ(std::filesystem::file_size(directory.previous_log_path("web")), 10u);
    EXPECT_EQ(files(), 1u);
}

TEST_F(RunDirectoryTest, ReportsGoWithTheLogsOfTheirGuests)
{
    RunDirectory directory;
    std::ofstream{directory.log_path("web")}, std::ofstream{directory.report_path("web")} << "crashed";
    directory.rotate_logs("web");
    EXPECT_FALSE(std::filesystem::exists(directory.report_path("web")));
    EXPECT_EQ(std::filesystem::file_size(directory.previous_report_path("web")), 7u);
    std::ofstream{directory.log_path("web")}, std::ofstream{directory.report_path("web")}; // of one that ended in order
    directory.rotate_logs("web");
    EXPECT_FALSE(std::filesystem::exists(directory.report_path("web")));
    EXPECT_FALSE(std::filesystem::exists(directory.previous_report_path("web"))) << "of the guest before the previous one";
}

// Guests with names of their own, one after the other: what they leave has an end.
TEST_F(RunDirectoryTest, LogsOfOnlyTheLatestEndedGuestsStay)
{
    RunDirectory directory;
    NameClaim living{directory, "living"};
    auto begin = std::filesystem::file_time_type::clock::now() - std::chrono::hours{1};
    std::ofstream{directory.log_path("living")};
    std::filesystem::last_write_time(directory.log_path("living"), begin - std::chrono::hours{1});
    for (std::size_t i = 0; i < RunDirectory::kKeptLogs + 5; i++) {
        std::string path = directory.log_path("job" + std::to_string(i));
        std::ofstream{path}, std::ofstream{path + ".1"};
        if (i < 5) // these go
            std::ofstream{directory.report_path("job" + std::to_string(i))}, std::ofstream{directory.previous_report_path("job" + std::to_string(i))};
        std::filesystem::last_write_time(path, begin + std::chrono::seconds{i});
    }
    directory.rotate_logs("next");
    EXPECT_TRUE(std::filesystem::exists(directory.log_path("living")));
    EXPECT_FALSE(std::filesystem::exists(directory.log_path("job4")));
    EXPECT_FALSE(std::filesystem::exists(directory.previous_log_path("job4")));
    EXPECT_TRUE(std::filesystem::exists(directory.log_path("job5")));
    EXPECT_EQ(files(), 2 * RunDirectory::kKeptLogs + 2);
}

} // namespace
} // namespace colinux
