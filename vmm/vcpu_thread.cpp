// SPDX-License-Identifier: GPL-2.0
#include "vmm/vcpu_thread.hpp"

#include <pthread.h>
#include <signal.h>

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
    pthread_sigmask(SIG_SETMASK, &mine, &before);
    thread_ = std::thread{[this] { run(); }};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), ("vcpu" + std::to_string(index_)).c_str());
}

void VcpuThread::interrupt()
{
    stopping_ = true;
    file_.request_exit();
    if (thread_.joinable())
        pthread_kill(thread_.native_handle(), kLeaveGuestSignal);
}

void VcpuThread::run()
try {
    co_run& page = file_.run_page();
    while (!stopping_) {
        file_.run();
        if (page.exit == CO_EXIT_DEVICE)
            page.result = handlers_.device(page.arg[0], page.arg[1]);
        else if (page.exit == CO_EXIT_DEBUGGER)
            page.result = 0; // not ours: the guest's own
        else if (page.exit != CO_EXIT_INTERRUPTED && page.exit != CO_EXIT_NONE)
            return handlers_.ended(page);
    }
} catch (...) {
    handlers_.failed(std::current_exception());
}

} // namespace colinux
