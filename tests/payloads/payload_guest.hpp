// SPDX-License-Identifier: GPL-2.0
// PayloadGuest: a payload guest (payload.h) with a direct map beside its window (faults.h), straight on the driver's
// ioctls, made and given back in a few milliseconds. Each vCPU has a thread. Errors of the driver end the program.
#pragma once

#include "faults.h"

#include <colinux/abi.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

class PayloadGuest {
public:
    PayloadGuest(int device, const std::vector<char>& image, unsigned vcpus, bool five_levels);
    ~PayloadGuest(); // whatever it does: it is over
    PayloadGuest(const PayloadGuest&) = delete;

    payload_result& result() { return *result_; }

    // How it ended; nothing when it had not after that time.
    std::optional<co_run> run(std::chrono::milliseconds patience);

    static void install_signal_handler();

private:
    struct Vcpu {
        int fd;
        co_run* run;
        std::thread thread;
    };
    void map(std::uint64_t virt, std::uint64_t phys, unsigned last_level, std::uint64_t flags);
    void set_up(const std::vector<char>& image);
    void lend(Vcpu& vcpu);
    void serve_device(co_run& run);

    const unsigned levels_;
    int guest_;
    std::uint64_t phys_, passage_virt_;
    std::byte* ram_;
    payload_result* result_;
    unsigned tables_ = 1;
    std::vector<Vcpu> vcpus_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<co_run> end_;
    unsigned running_ = 0;
};

// The request's result; ends the program with `what` when the driver refuses.
int request(int fd, unsigned long code, void* argument, const char* what);
