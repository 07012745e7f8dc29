// SPDX-License-Identifier: GPL-2.0
// What a process does about its descriptors; in processes of their own.
#include "control/descriptors.hpp"

#include "tests/fakes/descriptor_limit.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <future>

namespace colinux {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// What `check` says in a child.
bool holds_in_child(bool (*check)())
{
    pid_t child = fork();
    if (child == 0)
        _exit(check() ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Bug: what was opened first became standard output where that was closed, and was lost when /dev/null took its place.
TEST(Descriptors, StandardOnesAreOpenWhateverTheStarterClosed)
{
    EXPECT_TRUE(holds_in_child([] {
        close(0);
        close(2);
        open_standard_descriptors();
        int next = open("/dev/null", O_RDONLY);
        return is_open(0) && is_open(1) && is_open(2) && next > 2;
    }));
}

TEST(Descriptors, InheritedOnesAreClosedButThoseThatAreKept)
{
    EXPECT_TRUE(holds_in_child([] {
        for (int fd : {20, 21, 22, 23})
            dup2(1, fd);
        int keep[] = {22, 20, 20, -1, 1};
        close_inherited_descriptors(keep);
        return is_open(0) && is_open(1) && is_open(2) && is_open(20) && !is_open(21) && is_open(22) && !is_open(23) && !is_open(3);
    }));
}

TEST(Descriptors, LimitIsRaisedToWhatThisProcessMayHave)
{
    EXPECT_TRUE(holds_in_child([] {
        rlimit limit{64, 512};
        setrlimit(RLIMIT_NOFILE, &limit);
        return raise_descriptor_limit() == 512 && dup2(1, 511) == 511;
    }));
}

TEST(Descriptors, FewAreShort)
{
    DescriptorLimit limit{8};
    EXPECT_FALSE(descriptors_are_short(7));
    EXPECT_TRUE(descriptors_are_short(8));
    EXPECT_TRUE(is_descriptor_shortage(open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? errno : EMFILE));
}

TEST(EventLoop, AfterComesOnceAndInOrder)
{
    EventLoop loop{"later"};
    std::string order;
    std::promise<void> last;
    loop.after(std::chrono::milliseconds{30}, [&] { last.set_value(); });
    loop.after(std::chrono::milliseconds{1}, [&] { order += 'a'; });
    loop.after(std::chrono::milliseconds{10}, [&] { order += 'b'; });
    loop.start();
    last.get_future().wait();
    loop.stop();
    EXPECT_EQ(order, "ab");
}

} // namespace
} // namespace colinux
