// SPDX-License-Identifier: GPL-2.0
// storm SEED CALLS PROCESSES DISK PAYLOAD...: random calls of the driver from several processes at once, until CALLS were made:
// ioctls with random and half-valid arguments, mappings of every kind, closes in any order, descriptors passed around, tiny
// guests that run meanwhile. DISK: a block device for O_DIRECT, or "-". Prints what it did. Exit code 0: every
// process came to its end; what the host has to say is for the test to judge.
#include "actions.hpp"
#include "guard.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace storm {

namespace {

struct Plan {
    std::uint64_t seed, calls;
    unsigned processes;
    int disk;
    std::vector<Image> images;
};

// A signal every few milliseconds, so that no CO_RUN of a vCPU that is never started lasts. No SA_RESTART.
void start_clock()
{
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGALRM, &action, nullptr);
    itimerval period{{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &period, nullptr);
}

void step(Objects& objects, const Plan& plan, int socket)
{
    unsigned chance = objects.dice.below(10000);
    if (chance < 9100)
        random_ioctl(objects);
    else if (chance < 9250)
        open_something(objects);
    else if (chance < 9350)
        make_map(objects);
    else if (chance < 9500)
        change_map(objects);
    else if (chance < 9600)
        touch_map(objects);
    else if (chance < 9640)
        direct_io(objects, plan.disk);
    else if (chance < 9720)
        pass_descriptor(objects, socket);
    else if (chance < 9860)
        plain_file_calls(objects);
    else if (chance < 9920)
        objects.close_one();
    else if (chance < 9991)
        objects.unmap_one();
    else if (chance < 9996)
        race(objects, plan.images[objects.dice.below(plan.images.size())]);
    else
        fork_with_maps(objects);
}

void storm_process(const Plan& plan, unsigned number, Tally& tally, int socket)
{
    install_guard();
    start_clock();
    Dice dice{plan.seed * 1000003 + number};
    Objects objects{dice, tally};
    while (tally.calls.load(std::memory_order_relaxed) < plan.calls)
        step(objects, plan, socket);
}

// Whether every process ended well
bool run(const Plan& plan, Tally& tally)
{
    int ring[2]; // all share the two ends: what one sends any may get
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ring) != 0)
        return false;
    for (unsigned i = 0; i < plan.processes; ++i) {
        if (fork() == 0) {
            storm_process(plan, i, tally, ring[i & 1]);
            _exit(0);
        }
    }
    bool well = true;
    for (int status; wait(&status) > 0;) {
        if (status != 0)
            std::fprintf(stderr, "storm: a process ended with status %#x\n", status);
        well = well && status == 0;
    }
    return well;
}

Image read_image(const char* path)
{
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

} // namespace

} // namespace storm

int main(int argc, char** argv)
{
    using namespace storm;
    if (argc < 6)
        return std::fprintf(stderr, "usage: storm SEED CALLS PROCESSES DISK PAYLOAD...\n"), 2;
    Plan plan{std::strtoull(argv[1], nullptr, 0), std::strtoull(argv[2], nullptr, 0),
              static_cast<unsigned>(std::atoi(argv[3])), open(argv[4], O_RDWR | O_DIRECT | O_CLOEXEC), {}};
    std::transform(argv + 5, argv + argc, std::back_inserter(plan.images), read_image);
    void* shared = mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || (plan.disk < 0 && std::strcmp(argv[4], "-") != 0))
        return std::perror("storm"), 2;
    auto* tally = new (shared) Tally{};
    bool well = run(plan, *tally);
    std::printf("storm: seed %s calls %llu errors %llu runs %llu tiny guests %llu mappings %llu passed %llu forks %llu\n", argv[1],
                (unsigned long long)tally->calls, (unsigned long long)tally->errors, (unsigned long long)tally->runs,
                (unsigned long long)tally->guests, (unsigned long long)tally->maps, (unsigned long long)tally->passed,
                (unsigned long long)tally->forks);
    return well ? 0 : 1;
}
