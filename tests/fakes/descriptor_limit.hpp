// SPDX-License-Identifier: GPL-2.0
// DescriptorLimit: as long as it lives, this process gets only so many more file descriptors. And how busy it is meanwhile.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <thread>

namespace colinux {

class DescriptorLimit {
public:
    explicit DescriptorLimit(unsigned more)
    {
        getrlimit(RLIMIT_NOFILE, &before_);
        int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        close(lowest);
        rlimit limit{static_cast<rlim_t>(lowest) + more, before_.rlim_max};
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
    DescriptorLimit(const DescriptorLimit&) = delete;

private:
    rlimit before_{};
};

// CPU time of all threads, in parts of the half second in which this one sleeps.
inline double busy_share()
{
    constexpr std::chrono::milliseconds kTime{500};
    auto cpu_seconds = [] {
        timespec time{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
    };
    double before = cpu_seconds();
    auto began = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(kTime);
    return (cpu_seconds() - before) / std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

} // namespace colinux
