// SPDX-License-Identifier: GPL-2.0
// ServiceNotifier: what a process tells the service manager that runs it, by the protocol of sd_notify(3): lines in a datagram to
// $NOTIFY_SOCKET. Without that variable nobody is told. Written here and not taken from libsystemd, which would bring six
// libraries into every start of this command for one sendmsg(2).
#pragma once

#include "control/unique_fd.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace colinux {

class ServiceNotifier {
public:
    // From the environment, which it cleans: what this process starts does not speak for it.
    ServiceNotifier();

    void ready(const std::string& status);
    void stopping(const std::string& status);
    void status(const std::string& status);
    void alive(); // in time for the manager's watchdog

    // The manager expects alive() at least so often; 0: it does not.
    std::chrono::microseconds watchdog() const { return watchdog_; }

private:
    void send(const std::string& lines);

    std::string socket_path_;
    std::chrono::microseconds watchdog_{};
    UniqueFd socket_;
    bool complained_{};
    std::mutex mutex_; // the two above
};

// Calls `beat` again and again, from a thread of its own, until it goes.
class Heartbeat {
public:
    Heartbeat(std::chrono::microseconds period, std::function<void()> beat);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

private:
    std::mutex mutex_;
    std::condition_variable ends_;
    bool ended_{};
    std::thread thread_; // last
};

} // namespace colinux
