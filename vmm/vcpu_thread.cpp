// SPDX-License-Identifier: GPL-2.0
#include "vmm/vcpu_thread.hpp"

#include "vmm/sys/linux/rseq.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace colinux {

namespace {

constexpr int kLeaveGuestSignal = SIGUSR1;

} // namespace

VcpuThread::VcpuThread(VcpuFile file, unsigned index, Handlers handlers)
    : file_{std::move(file)}, index_{index}, handlers_{std::move(handlers)}
{
}

VcpuThread::~VcpuThread()
{
    interrupt();
    join();
}

void VcpuThread::join()
{
    if (thread_.joinable())
        thread_.join();
}

void VcpuThread::install_signal_handler()
{
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(kLeaveGuestSignal, &action, nullptr);
}

void VcpuThread::start()
{
    // Only the one signal reaches this thread; the others are the main thread's.
    sigset_t mine, before;
    sigfillset(&mine);
    sigdelset(&mine, kLeaveGuestSignal);
    sigdelset(&mine, SIGSYS); // blocked, a refused system call would end the daemon
    pthread_sigmask(SIG_SETMASK, &mine, &before);
    in_guest_ = true;
    thread_ = std::thread{[this] {
        pthread_setname_np(pthread_self(), ("vcpu" + std::to_string(index_)).c_str()); // of another thread it would take a file
        run();
    }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void VcpuThread::leave_guest()
{
    file_.request_exit();
    if (thread_.joinable())
        pthread_kill(thread_.native_handle(), kLeaveGuestSignal);
}

void VcpuThread::interrupt()
{
    {
        std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    changed_.notify_all();
    leave_guest();
}

void VcpuThread::pause()
{
    pauses_++;
    leave_guest();
}

void VcpuThread::hold() { pauses_++; }

bool VcpuThread::wait_until_paused(std::chrono::milliseconds limit)
{
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, limit, [this] { return !in_guest_; });
}

void VcpuThread::resume()
{
    {
        std::lock_guard lock{mutex_};
        pauses_--;
    }
    changed_.notify_all();
}

std::chrono::nanoseconds VcpuThread::cpu_time() const
{
    clockid_t clock;
    timespec time{};
    if (pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) == 0)
        clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

bool VcpuThread::is_runnable() const
{
    std::string line; // proc(5): pid (name) state ...
    std::getline(std::ifstream{"/proc/self/task/" + std::to_string(thread_id_) + "/stat"}, line);
    std::size_t name_end = line.rfind(") ");
    return name_end != std::string::npos && line[name_end + 2] == 'R';
}

// What is asked of the thread is set before the request to leave; here it is looked at after that request is forgotten.
// So nothing is lost.
void VcpuThread::stand_still()
{
    std::unique_lock lock{mutex_};
    in_guest_ = false;
    changed_.notify_all();
    changed_.wait(lock, [this] { return pauses_ == 0 || stopping_; });
    in_guest_ = true;
    file_.forget_exit_request();
}

void VcpuThread::run()
{
    leave_restartable_sequences();
    thread_id_ = gettid();
    try {
        loop();
    } catch (...) {
        handlers_.failed(std::current_exception());
    }
    std::lock_guard lock{mutex_};
    in_guest_ = false;
    changed_.notify_all();
}

void VcpuThread::loop()
{
    co_run& page = file_.run_page();
    while (!stopping_) {
        if (pauses_ != 0) {
            stand_still();
            continue;
        }
        file_.run();
        if (page.exit == CO_EXIT_DEVICE)
            page.result = handlers_.device(page);
        else if (page.exit == CO_EXIT_DEBUGGER)
            page.result = handlers_.debugger(index_, page);
        else if (page.exit != CO_EXIT_INTERRUPTED && page.exit != CO_EXIT_NONE)
            return handlers_.ended(page);
    }
}

} // namespace colinux
