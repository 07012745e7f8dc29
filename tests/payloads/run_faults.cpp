// SPDX-License-Identifier: GPL-2.0
// run_faults IMAGE [--seed S] [--count N] [--class NAME]... [--trace]: N guests of the payload `faults`, each of which
// injects one fault into itself; after each a healthy guest must run and the driver must hold no frame. Fault i has seed
// S + i and the classes take turns, so any one can be repeated alone. Without --class: all that a host survives. Prints a
// line per class; exit code 0 when every outcome was a right one.
#include "payload_guest.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 60ms, kHealthyPatience = 20s;
constexpr unsigned kCrossings = 50; // of faults.c

struct Class {
    const char* name;
    unsigned vcpus, right;
};
constexpr Class kClasses[] = {
#define FAULT_ROW(name, vcpus, right) {#name, vcpus, right},
    FAULT_CLASSES(FAULT_ROW)
#undef FAULT_ROW
};

struct Tally {
    unsigned count, went_on, panic, killed, ended, stuck, wrong;
    std::uint64_t frames;
};

struct Campaign {
    int device;
    bool five_levels, trace;
    std::vector<char> image;
    Tally tally[FAULT_COUNT];

    std::uint64_t frames() const
    {
        co_info info{};
        request(device, CO_GET_INFO, &info, "CO_GET_INFO");
        return info.frames;
    }

    unsigned outcome(unsigned number, std::uint64_t seed, payload_result& result)
    {
        const Class& which = kClasses[number];
        PayloadGuest guest{device, image, which.vcpus, five_levels};
        guest.result().count = seed;
        guest.result().value[FAULT_VALUE_CLASS] = number;
        // One that cannot get stuck by its fault may take its time on a busy machine
        std::optional<co_run> end = guest.run(which.right & STUCK ? kPatience : kHealthyPatience);
        result = guest.result();
        if (!end)
            return STUCK;
        switch (end->exit) {
        case CO_EXIT_POWER_OFF:
            return result.value[FAULT_VALUE_STAGE] == 2 && result.done == kCrossings && result.failures == 0 ? WENT_ON : ENDED;
        case CO_EXIT_PANIC:
            return PANIC;
        case CO_EXIT_KILLED:
            return KILLED;
        default:
            return ENDED;
        }
    }

    void inject(unsigned number, std::uint64_t seed)
    {
        payload_result result{}, healthy{};
        if (trace)
            std::printf("inject class=%s seed=%llu\n", kClasses[number].name, static_cast<unsigned long long>(seed));
        Tally& sums = tally[number];
        unsigned end = outcome(number, seed, result);
        bool next_boots = outcome(FAULT_none, seed, healthy) == WENT_ON;
        ++sums.count;
        sums.went_on += end == WENT_ON, sums.panic += end == PANIC, sums.killed += end == KILLED;
        sums.ended += end == ENDED, sums.stuck += end == STUCK;
        sums.frames += frames();
        if (!(end & kClasses[number].right) || !next_boots) {
            ++sums.wrong;
            std::printf("WRONG class=%s seed=%llu outcome=%u stage=%llu done=%llu failures=%llu vector=%llu error=%llx at %llx, next guest %s\n",
                        kClasses[number].name, static_cast<unsigned long long>(seed), end, result.value[FAULT_VALUE_STAGE],
                        result.done, result.failures, result.value[FAULT_VALUE_VECTOR], result.value[FAULT_VALUE_ERROR],
                        result.value[FAULT_VALUE_ADDRESS], next_boots ? "fine" : "not fine");
        }
        if (trace)
            std::printf("outcome %u\n", end);
    }

    bool report(std::uint64_t seed) const
    {
        bool right = true;
        for (unsigned number = 0; number < FAULT_COUNT; ++number) {
            const Tally& t = tally[number];
            if (t.count)
                std::printf("faults class=%s seed=%llu count=%u went_on=%u panic=%u killed=%u ended=%u stuck=%u wrong=%u frames_leaked=%llu\n",
                            kClasses[number].name, static_cast<unsigned long long>(seed), t.count, t.went_on, t.panic, t.killed,
                            t.ended, t.stuck, t.wrong, static_cast<unsigned long long>(t.frames));
            right &= t.wrong == 0 && t.frames == 0;
        }
        return right;
    }
};

[[noreturn]] void usage()
{
    std::fprintf(stderr, "usage: run_faults IMAGE [--seed S] [--count N] [--class NAME]... [--trace]\n");
    std::exit(2);
}

unsigned class_named(const char* name)
{
    for (unsigned number = 0; number < FAULT_COUNT; ++number) {
        if (std::strcmp(kClasses[number].name, name) == 0)
            return number;
    }
    usage();
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 2)
        usage();
    Campaign campaign{};
    std::ifstream file{argv[1], std::ios::binary};
    campaign.image.assign(std::istreambuf_iterator<char>{file}, {});
    std::uint64_t seed = 1, count = FAULT_COUNT;
    std::vector<unsigned> classes;
    for (int i = 2; i < argc; ++i) {
        std::string option = argv[i];
        if (option == "--trace")
            campaign.trace = true;
        else if (i + 1 == argc)
            usage();
        else if (option == "--seed")
            seed = std::strtoull(argv[++i], nullptr, 0);
        else if (option == "--count")
            count = std::strtoull(argv[++i], nullptr, 0);
        else if (option == "--class")
            classes.push_back(class_named(argv[++i]));
        else
            usage();
    }
    const bool chosen = !classes.empty();
    for (unsigned number = FAULT_none + 1; number < FAULT_COUNT && !chosen; ++number) {
        if (!(kClasses[number].right & LETHAL))
            classes.push_back(number);
    }
    campaign.device = open(CO_DEVICE_PATH, O_RDWR | O_CLOEXEC);
    if (campaign.device < 0 || campaign.image.empty())
        return std::perror("run_faults: image or " CO_DEVICE_PATH), 1;
    co_info info{};
    request(campaign.device, CO_GET_INFO, &info, "CO_GET_INFO");
    campaign.five_levels = info.host_cr4 & 1 << 12;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    PayloadGuest::install_signal_handler();
    for (std::uint64_t i = 0; i < count; ++i)
        campaign.inject(classes[i % classes.size()], seed + i);
    return campaign.report(seed) ? 0 : 1;
}
