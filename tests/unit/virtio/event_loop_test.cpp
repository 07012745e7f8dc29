// SPDX-License-Identifier: GPL-2.0
// EventLoop: order, waiting, errors.
#include "tests/fakes/patience.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace colinux {
namespace {

TEST(EventLoop, CallRunsOnTheLoopsThreadAndWaits)
{
    EventLoop loop{"test"};
    loop.start();
    std::thread::id ran_on;
    loop.call([&] { ran_on = std::this_thread::get_id(); });
    EXPECT_NE(ran_on, std::thread::id{});
    EXPECT_NE(ran_on, std::this_thread::get_id());
}

TEST(EventLoop, CallRunsHereWhenTheLoopDoesNotRun)
{
    EventLoop loop{"test"};
    std::thread::id ran_on;
    loop.call([&] { ran_on = std::this_thread::get_id(); });
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(EventLoop, StopRunsWhatWasPosted)
{
    EventLoop loop{"test"};
    int sum = 0;
    loop.start();
    for (int i = 1; i <= 100; i++)
        loop.post([&sum, i] { sum += i; });
    loop.stop();
    EXPECT_EQ(sum, 5050);
}

TEST(EventLoop, WatchedDescriptorCallsBack)
{
    EventFd ping, pong;
    EventLoop loop{"test"};
    loop.watch(ping.fd(), POLLIN, [&] {
        ping.take();
        pong.signal();
    });
    loop.start();
    ping.signal();
    EXPECT_TRUE(becomes_readable(pong.fd()));
}

TEST(EventLoop, ErrorGoesToTheHandlerAndTheLoopGoesOn)
{
    EventLoop loop{"test"};
    std::string heard;
    loop.on_error([&](const std::exception& error) { heard = error.what(); });
    loop.start();
    loop.call([] { throw std::runtime_error{"trouble"}; });
    bool ran = false;
    loop.call([&] { ran = true; });
    EXPECT_EQ(heard, "trouble");
    EXPECT_TRUE(ran);
}

} // namespace
} // namespace colinux
