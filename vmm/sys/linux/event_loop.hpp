// SPDX-License-Identifier: GPL-2.0
// EventLoop: one thread that sleeps until a descriptor is ready and calls back. Every device has one, so a device's code
// needs no locks: it only ever runs here. Other threads hand work in with post() (does not wait) or
// call() (waits until it has run: how a vCPU thread resets a device that is busy).
//
// watch(), watch_signals(), unwatch(), after() and attach() are for the loop's own thread, or before start(). What is
// watched lies in an epoll set, so a round costs one system call; libslirp's descriptors, a different set every time, are polled
// together with that set.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/sys/linux/event_fd.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace colinux {

// Descriptors that change from one sleep to the next.
class PollSource {
public:
    virtual ~PollSource() = default;
    // Append what to wait for; lower timeout_ms (-1 = for ever) where there is a timer.
    virtual void prepare(std::vector<pollfd>& descriptors, int& timeout_ms) = 0;
    // The same descriptors after the sleep, in the same order.
    virtual void dispatch(std::span<const pollfd> descriptors) = 0;
};

class EventLoop {
public:
    using Task = std::function<void()>;
    using ErrorHandler = std::function<void(const std::exception&)>;

    explicit EventLoop(std::string name); // thread name, at most 15 characters are used
    ~EventLoop();                         // stop()
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // What a task or callback throws goes to this handler, on the loop's thread, and the loop goes on.
    void on_error(ErrorHandler handler) { on_error_ = std::move(handler); }

    void watch(int fd, short events, Task ready); // as long as it is ready, every round
    // `ready` runs after each signal of an EventFd, once for those that came before it ran. Nobody takes the count.
    void watch_signals(const EventFd& event, Task ready);
    // `ready` runs each time that more has come to read, not while something is left: it reads all there is.
    void watch_arrivals(int fd, Task ready) { add(fd, EPOLLIN | EPOLLET, std::move(ready)); }
    // `ready` runs once after each arm() of the descriptor, as soon as that is readable; unarmed it costs nothing.
    void watch_armed(int fd, Task ready) { add(fd, EPOLLONESHOT, std::move(ready)); }
    void arm(int fd);
    void unwatch(int fd);
    void after(std::chrono::milliseconds time, Task task); // once
    void attach(PollSource& source) { source_ = &source; } // at most one
    void detach() { source_ = nullptr; }

    void start();
    void stop(); // runs what was posted, then ends the thread; not from the loop's own thread
    void post(Task task);
    void call(const Task& task); // runs it here when the loop does not run or this is its own thread

private:
    struct Watch {
        int fd;
        Task ready;
    };

    struct Later {
        std::chrono::steady_clock::time_point due;
        Task task;
    };

    void add(int fd, std::uint32_t events, Task ready);
    void run();
    int time_to_next_ms() const; // of after(); -1: none
    void run_due();
    void wait_and_dispatch();
    void wait_with_source(PollSource& source);
    void dispatch(int timeout_ms);
    bool run_posted();
    void guarded(const Task& task);

    std::string name_;
    EventFd wakeup_;
    UniqueFd epoll_;
    std::vector<Watch> watches_;
    std::vector<Later> later_;
    PollSource* source_{};
    ErrorHandler on_error_;
    std::mutex mutex_; // guards the two below
    std::vector<Task> posted_;
    bool running_{};
    std::thread thread_;
    std::vector<pollfd> descriptors_; // scratch of one round with a source
};

} // namespace colinux
