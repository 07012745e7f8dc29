// SPDX-License-Identifier: GPL-2.0
// EventLoop: order, waiting, errors.
#include "tests/fakes/patience.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/rseq.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
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

TEST(EventLoop, TaskThatPostsItselfLetsDescriptorsHaveTheirTurn)
{
    EventLoop loop{"test"};
    EventFd event;
    std::atomic<bool> seen{};
    std::function<void()> again = [&] {
        if (!seen)
            loop.post(again);
    };
    loop.watch_signals(event, [&] { seen = true; });
    loop.start();
    loop.post(again);
    event.signal();
    EXPECT_TRUE(eventually([&] { return seen.load(); }));
    loop.stop();
}

TEST(EventLoop, ArrivalsCallBackOnceForEach)
{
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    UniqueFd reader{ends[0]}, writer{ends[1]};
    EventLoop loop{"test"};
    std::atomic<int> calls{};
    loop.watch_arrivals(reader.get(), [&] { calls++; }); // takes nothing away
    loop.start();
    for (int expected = 1; expected <= 3; expected++) {
        ASSERT_EQ(write(writer.get(), "x", 1), 1);
        ASSERT_TRUE(eventually([&] { return calls >= expected; }));
        loop.call([] {});
        loop.call([] {});
        EXPECT_EQ(calls, expected);
    }
}

TEST(EventLoop, ThreadHasLeftRestartableSequences)
{
    EventLoop loop{"test"};
    loop.start();
    unsigned cpu = 0;
    loop.call([&] { cpu = reinterpret_cast<struct rseq*>(static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset)->cpu_id; });
    EXPECT_GE(static_cast<int>(cpu), RSEQ_CPU_ID_REGISTRATION_FAILED);
    EXPECT_LT(static_cast<int>(cpu), 0);
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

TEST(EventLoop, NoSignalIsLost)
{
    constexpr unsigned kSignals = 20'000;
    EventFd ping;
    std::atomic<unsigned> sent, seen;
    EventLoop loop{"test"};
    loop.watch_signals(ping, [&] { seen = sent.load(); });
    loop.start();
    for (unsigned i = 1; i <= kSignals; i++) {
        sent = i;
        ping.signal();
        for (auto since = std::chrono::steady_clock::now(); i % 10 == 0 && seen != i;)
            ASSERT_LT(std::chrono::steady_clock::now() - since, kPatience) << "after signal " << i;
    }
}

TEST(EventLoop, ArmedDescriptorCallsBackOnceForEachArming)
{
    EventFd event;
    std::atomic<int> calls{};
    EventLoop loop{"test"};
    loop.watch_armed(event.fd(), [&] { calls++; });
    loop.start();
    event.signal();
    loop.call([] {});
    EXPECT_EQ(calls, 0);
    for (int i = 1; i <= 2; i++) {
        loop.call([&] { loop.arm(event.fd()); });
        while (calls != i)
            std::this_thread::yield();
    }
    loop.call([] {});
    loop.call([] {});
    EXPECT_EQ(calls, 2) << "still readable, but not armed";
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
