// SPDX-License-Identifier: GPL-2.0
// VcpuThread: the host thread on which one vCPU runs. It goes in and out of CO_RUN, answers device
// calls, and reports the exit that ends the guest. Sleeping, interrupts and doorbells are the driver's
// business: they never come here.
#pragma once

#include "control/driver.hpp"

#include <atomic>
#include <exception>
#include <functional>
#include <thread>

namespace colinux {

class VcpuThread {
public:
    struct Handlers {                                                        // all called on the vCPU's thread
        std::function<std::uint64_t(std::uint64_t, std::uint64_t)> device;   // CO_EXIT_DEVICE: its result
        std::function<void(const co_run&)> ended;                            // CO_EXIT_POWER_OFF and later
        std::function<void(std::exception_ptr)> failed;
    };

    VcpuThread(VcpuFile file, unsigned index, Handlers handlers);
    ~VcpuThread(); // interrupt(), then waits for the thread
    VcpuThread(const VcpuThread&) = delete;
    VcpuThread& operator=(const VcpuThread&) = delete;

    VcpuFile& file() { return file_; }
    void start();
    void interrupt(); // the thread leaves the guest and ends; any thread

    // Once per process, before start(): the signal that gets a thread out of CO_RUN does nothing else.
    static void install_signal_handler();

private:
    void run();

    VcpuFile file_;
    unsigned index_;
    Handlers handlers_;
    std::atomic<bool> stopping_{};
    std::thread thread_;
};

} // namespace colinux
