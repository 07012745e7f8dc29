// SPDX-License-Identifier: GPL-2.0
// VcpuThread: the host thread on which one vCPU runs. It goes in and out of CO_RUN, answers device
// calls, and reports the exit that ends the guest. Sleeping, interrupts and doorbells are the driver's
// business: they never come here. The thread can be made to stand still outside the guest, so that its
// state can be looked at.
#pragma once

#include "control/driver.hpp"

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace colinux {

class VcpuThread {
public:
    struct Handlers {                                                        // all called on the vCPU's thread
        std::function<std::uint64_t(const co_run&)> device;                  // CO_EXIT_DEVICE: its result
        std::function<std::uint64_t(unsigned, const co_run&)> debugger;      // CO_EXIT_DEBUGGER of this vCPU: its result
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
    void join();      // waits until it has

    // The thread leaves the guest and waits for as many resume() as there were pause(). After start(), by any thread but itself.
    void pause();
    void hold(); // the same by the thread itself in a handler, or before start()
    bool wait_until_paused(std::chrono::milliseconds limit); // or ended; false: it did not come in time
    void resume();

    // For who watches it from outside: what its thread has had of the host's CPUs, and whether it runs or waits for one.
    std::chrono::nanoseconds cpu_time() const;
    bool is_runnable() const;

    // Once per process, before start(): the signal that gets a thread out of CO_RUN does nothing else.
    static void install_signal_handler();

private:
    void run();
    void loop();
    void stand_still();
    void leave_guest();

    VcpuFile file_;
    unsigned index_;
    Handlers handlers_;
    std::atomic<bool> stopping_{};
    std::atomic<unsigned> pauses_{};
    std::mutex mutex_; // guards the next one, and waiting for a change of it or of the two above
    bool in_guest_{};
    std::condition_variable changed_;
    std::atomic<pid_t> thread_id_{};
    std::thread thread_;
};

} // namespace colinux
