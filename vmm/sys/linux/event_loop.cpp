// SPDX-License-Identifier: GPL-2.0
// EventLoop on epoll(7).
#include "vmm/sys/linux/event_loop.hpp"

#include "vmm/sys/linux/rseq.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <system_error>

namespace colinux {

EventLoop::EventLoop(std::string name) : name_{std::move(name).substr(0, 15)}, epoll_{epoll_create1(EPOLL_CLOEXEC)}
{
    if (!epoll_)
        throw std::system_error{errno, std::generic_category(), "epoll"};
    watch_signals(wakeup_, [] {}); // run() looks at what was posted
}

EventLoop::~EventLoop() { stop(); }

void EventLoop::watch(int fd, short events, Task ready) { add(fd, static_cast<std::uint32_t>(events), std::move(ready)); }

void EventLoop::watch_signals(const EventFd& event, Task ready) { add(event.fd(), EPOLLIN | EPOLLET, std::move(ready)); }

void EventLoop::add(int fd, std::uint32_t events, Task ready)
{
    epoll_event event{.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw std::system_error{errno, std::generic_category(), "epoll"};
    watches_.push_back({fd, std::move(ready)});
}

void EventLoop::arm(int fd)
{
    epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.fd = fd}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::unwatch(int fd)
{
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    std::erase_if(watches_, [fd](const Watch& watch) { return watch.fd == fd; });
}

void EventLoop::after(std::chrono::milliseconds time, Task task)
{
    later_.push_back({std::chrono::steady_clock::now() + time, std::move(task)});
}

void EventLoop::start()
{
    std::lock_guard lock{mutex_};
    if (running_)
        return;
    running_ = true;
    // Signals belong to the main thread; a new thread inherits the mask of its creator.
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); // blocked, a refused system call would end the daemon
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread{[this] {
        pthread_setname_np(pthread_self(), name_.c_str()); // of another thread it would take a file
        leave_restartable_sequences();
        run();
    }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void EventLoop::stop()
{
    {
        std::lock_guard lock{mutex_};
        running_ = false;
    }
    wakeup_.signal();
    if (thread_.joinable())
        thread_.join();
}

void EventLoop::post(Task task)
{
    {
        std::lock_guard lock{mutex_};
        posted_.push_back(std::move(task));
    }
    wakeup_.signal();
}

void EventLoop::call(const Task& task)
{
    std::promise<void> done;
    {
        std::unique_lock lock{mutex_};
        if (!running_ || std::this_thread::get_id() == thread_.get_id()) {
            lock.unlock();
            guarded(task);
            return;
        }
        posted_.push_back([&] {
            guarded(task);
            done.set_value();
        });
    }
    wakeup_.signal();
    done.get_future().wait();
}

void EventLoop::run()
{
    while (run_posted())
        wait_and_dispatch();
}

void EventLoop::wait_and_dispatch()
{
    if (source_)
        wait_with_source(*source_);
    else
        dispatch(time_to_next_ms());
    run_due();
}

void EventLoop::wait_with_source(PollSource& source)
{
    int timeout_ms = time_to_next_ms();
    descriptors_.assign({{epoll_.get(), POLLIN, 0}});
    guarded([&] { source.prepare(descriptors_, timeout_ms); });
    if (poll(descriptors_.data(), descriptors_.size(), timeout_ms) < 0)
        std::ranges::for_each(descriptors_, [](pollfd& descriptor) { descriptor.revents = 0; });
    if (descriptors_[0].revents)
        dispatch(0);
    if (source_ == &source)
        guarded([&] { source.dispatch(std::span{descriptors_}.subspan(1)); });
}

void EventLoop::dispatch(int timeout_ms)
{
    std::array<epoll_event, 8> events;
    int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms);
    for (int i = 0; i < count; i++) {
        // A callback may watch and unwatch: look the descriptor up again, run a copy.
        auto found = std::ranges::find(watches_, events[static_cast<std::size_t>(i)].data.fd, &Watch::fd);
        if (found != watches_.end())
            guarded(Task{found->ready});
    }
}

int EventLoop::time_to_next_ms() const
{
    if (later_.empty())
        return -1;
    auto left = std::ranges::min_element(later_, {}, &Later::due)->due - std::chrono::steady_clock::now();
    return static_cast<int>(std::max<long>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
}

void EventLoop::run_due()
{
    if (later_.empty())
        return;
    auto now = std::chrono::steady_clock::now();
    auto due = std::stable_partition(later_.begin(), later_.end(), [now](const Later& each) { return each.due > now; });
    std::vector<Later> tasks{std::make_move_iterator(due), std::make_move_iterator(later_.end())};
    later_.erase(due, later_.end());
    for (const Later& each : tasks)
        guarded(each.task);
}

// False: the loop is to end, and nothing more was posted. A task that posts the next one lets descriptors have their turn between.
bool EventLoop::run_posted()
{
    std::vector<Task> tasks;
    {
        std::lock_guard lock{mutex_};
        if (posted_.empty())
            return running_;
        tasks.swap(posted_);
    }
    for (const Task& task : tasks)
        guarded(task);
    std::lock_guard lock{mutex_};
    return running_ || !posted_.empty();
}

void EventLoop::guarded(const Task& task)
{
    try {
        task();
    } catch (const std::exception& error) {
        if (on_error_)
            on_error_(error);
    }
}

} // namespace colinux
