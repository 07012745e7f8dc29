// SPDX-License-Identifier: GPL-2.0
// clock_pair: prints "pair TSC REALTIME_NS" taken together; with "sleep": "slept MICROSECONDS" for a sleep of one second.
// `clock_pair compare FILE OFF LATE` on the host reads the guest's lines and fails when a pair is off by more than OFF
// microseconds from the host's own clocks, or a sleep is shorter than a second or longer by LATE. Both kernels read the same TSC.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>
#include <x86intrin.h>

namespace {

struct Pair {
    std::uint64_t tsc;
    std::int64_t ns;
};

std::int64_t now(clockid_t clock)
{
    timespec time{};
    clock_gettime(clock, &time);
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// The tightest of several tries: the clock was read between two readings of the TSC.
Pair take()
{
    Pair best{};
    std::uint64_t width = ~0ull;
    for (int i = 0; i < 200; ++i) {
        std::uint64_t before = __rdtsc();
        std::int64_t ns = now(CLOCK_REALTIME);
        std::uint64_t after = __rdtsc();
        if (after - before < width) {
            width = after - before;
            best = {before + (after - before) / 2, ns};
        }
    }
    return best;
}

int compare(const char* path, double allowed_us, long long late_us)
{
    Pair first = take();
    sleep(5);
    Pair second = take();
    double ns_per_tick = double(second.ns - first.ns) / double(second.tsc - first.tsc);
    std::FILE* file = std::fopen(path, "r");
    char line[512];
    int pairs = 0, sleeps = 0, bad = 0;
    while (file && std::fgets(line, sizeof(line), file)) {
        unsigned long long tsc;
        long long value;
        if (std::sscanf(line, "pair %llu %lld", &tsc, &value) == 2) {
            double host = double(second.ns) - double(second.tsc - tsc) * ns_per_tick;
            double off_us = (double(value - second.ns) - (host - double(second.ns))) / 1000;
            std::printf("guest clock is %.1f us off the host's\n", off_us);
            ++pairs;
            bad += off_us > allowed_us || off_us < -allowed_us;
        } else if (std::sscanf(line, "slept %lld", &value) == 1) {
            std::printf("sleep 1 took %lld us\n", value);
            ++sleeps;
            bad += value < 1'000'000 || value > 1'000'000 + late_us;
        }
    }
    return pairs >= 2 && sleeps >= 3 && bad == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv)
{
    if (argc == 5 && !std::strcmp(argv[1], "compare"))
        return compare(argv[2], std::atof(argv[3]), std::atoll(argv[4]));
    if (argc == 2) {
        std::int64_t before = now(CLOCK_MONOTONIC);
        timespec second{1, 0};
        nanosleep(&second, nullptr);
        return std::printf("slept %lld\n", static_cast<long long>((now(CLOCK_MONOTONIC) - before) / 1000)) < 0;
    }
    Pair pair = take();
    return std::printf("pair %llu %lld\n", static_cast<unsigned long long>(pair.tsc), static_cast<long long>(pair.ns)) < 0;
}
