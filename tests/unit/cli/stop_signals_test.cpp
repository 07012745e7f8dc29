// SPDX-License-Identifier: GPL-2.0
// Signals while something half-made is there, and readers that do not read.
#include "cli/stop_signals.hpp"

#include "cli/boot_files.hpp"
#include "cli/subprocess.hpp"
#include "tests/fakes/patience.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace colinux {
namespace {

TEST(StopSignals, OneThatComesIsTakenOnce)
{
    StopSignals stop;
    EXPECT_EQ(stop.take(), 0);
    kill(getpid(), SIGTERM);
    EXPECT_EQ(stop.take(), SIGTERM);
    EXPECT_EQ(stop.take(), 0);
    EXPECT_NO_THROW(stop.check());
}

// Bug: held back, a signal comes though it is ignored: after `nohup colinux run` a hang-up stopped the guest.
TEST(StopSignals, WhatTheParentIgnoresStaysIgnored)
{
    signal(SIGHUP, SIG_IGN);
    {
        StopSignals stop;
        kill(getpid(), SIGHUP);
        EXPECT_EQ(stop.take(), 0);
    }
    signal(SIGHUP, SIG_DFL);
}

TEST(StopSignals, ProgramsThatWeStartAreNotDeaf)
{
    StopSignals stop;
    EXPECT_EQ(run_and_capture({"sh", "-c", "kill -TERM $$; sleep 1000"}).status, 128 + SIGTERM);
}

TEST(StopSignals, SignalEndsAProgramThatIsWaitedFor)
{
    StopSignals stop;
    kill(getpid(), SIGINT);
    EXPECT_THROW(run_and_capture({"sleep", "1000"}, &stop), Failure);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "it has been waited for";
}

// Bug: a signal while kernel and initramfs were copied out of an image left them in /tmp.
TEST(StopSignals, NothingIsLeftOfCopiesOutOfAnImage)
{
    char path[] = "/tmp/colinux-test-XXXXXX";
    std::filesystem::path folder = mkdtemp(path);
    std::filesystem::create_directory(folder / "copies");
    std::filesystem::create_directories(folder / "root/boot");
    std::ofstream{folder / "root/boot/vmlinuz-6.1"} << "kernel";
    run_and_capture({"mke2fs", "-q", "-t", "ext4", "-d", folder / "root", folder / "disk", "4M"});
    setenv("TMPDIR", (folder / "copies").c_str(), 1);
    {
        StopSignals stop;
        auto found = [](const std::string&) { return kill(getpid(), SIGINT) == 0; }; // then it is copied
        EXPECT_THROW(BootFiles::find({folder / "disk"}, &stop, found), Failure);
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder / "copies"));
    unsetenv("TMPDIR");
    std::filesystem::remove_all(folder);
}

// A pipe that is full: the text waits for its reader, and not longer than until a signal comes.
TEST(StopSignals, ReaderThatHasStoppedReadingDoesNotMakeUsDeaf)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    StopSignals stop;
    std::jthread killer{[] {
        std::this_thread::sleep_for(std::chrono::milliseconds{20}); // before or while it waits: both must end
        kill(getpid(), SIGTERM);
    }};
    EXPECT_FALSE(write_unless_stopped(ends[1], std::string(1 << 20, 'x'), stop));
    EXPECT_EQ(stop.take(), SIGTERM) << "it is still there for who acts on it";
    close(ends[0]);
    close(ends[1]);
}

TEST(StopSignals, SlowReaderGetsAllOfTheText)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    StopSignals stop;
    std::string got;
    std::jthread reader{[&] {
        char bytes[1000];
        for (ssize_t count; (count = read(ends[0], bytes, sizeof bytes)) > 0;)
            got.append(bytes, static_cast<std::size_t>(count));
    }};
    EXPECT_TRUE(write_unless_stopped(ends[1], std::string(1 << 20, 'x'), stop));
    close(ends[1]);
    reader.join();
    EXPECT_EQ(got.size(), 1u << 20);
    close(ends[0]);
}

} // namespace
} // namespace colinux
