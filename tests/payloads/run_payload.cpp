// SPDX-License-Identifier: GPL-2.0
// run_payload FILE [COUNT [SEED [vcpu-alone | VCPUS]]]: runs a payload guest (payload.h) straight on the driver's ioctls and prints what
// came of it, one "name value" per line. Exit code 0 when the guest powered itself off without failures; 1 otherwise.
// vcpu-alone: nothing but the vCPU's file keeps the guest alive while it runs, and nothing is printed.
#include "payload.h"
#include "window_tables.hpp"

#include <colinux/abi.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "run_payload: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

int request(int fd, unsigned long code, void* argument, const char* what)
{
    int result = ioctl(fd, code, argument);
    if (result < 0)
        fail(what);
    return result;
}

struct RunPage {
    int vcpu;
    co_run* run;
};

RunPage create_vcpu(int guest, unsigned index)
{
    int vcpu = request(guest, CO_CREATE_VCPU, reinterpret_cast<void*>(std::uintptr_t{index}), "CO_CREATE_VCPU");
    auto* run = static_cast<co_run*>(mmap(nullptr, CO_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0));
    if (run == MAP_FAILED)
        fail("mmap of the run page");
    return {vcpu, run};
}

void run_to_the_end(const RunPage& page)
{
    do
        request(page.vcpu, CO_RUN, nullptr, "CO_RUN");
    while (page.run->exit == CO_EXIT_INTERRUPTED || page.run->exit == CO_EXIT_DEVICE);
}

} // namespace

int main(int argc, char** argv)
{
    if (argc < 2)
        return std::fprintf(stderr, "usage: run_payload FILE [COUNT [SEED [vcpu-alone | VCPUS]]]\n"), 2;
    std::ifstream file{argv[1], std::ios::binary};
    std::vector<char> image{std::istreambuf_iterator<char>{file}, {}};
    if (image.empty())
        fail(argv[1]);

    int device = open(CO_DEVICE_PATH, O_RDWR | O_CLOEXEC);
    if (device < 0)
        fail(CO_DEVICE_PATH);
    co_info info{};
    request(device, CO_GET_INFO, &info, "CO_GET_INFO");
    bool vcpu_alone = argc > 4 && std::strcmp(argv[4], "vcpu-alone") == 0;
    unsigned vcpus = argc > 4 && !vcpu_alone ? std::strtoul(argv[4], nullptr, 0) : 1;
    co_create_guest create{vcpus, 0, 0, 0};
    int guest = request(device, CO_CREATE_GUEST, &create, "CO_CREATE_GUEST");
    co_allocate_memory memory{2 * CO_BLOCK_SIZE, 2 * CO_BLOCK_SIZE, 0, 0, {}};
    request(guest, CO_ALLOCATE_MEMORY, &memory, "CO_ALLOCATE_MEMORY");
    co_memory_range range{};
    co_get_memory get{reinterpret_cast<co_u64>(&range), 1, 0};
    request(guest, CO_GET_MEMORY, &get, "CO_GET_MEMORY");
    void* map = mmap(nullptr, range.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, guest, 0);
    if (map == MAP_FAILED)
        fail("mmap of guest RAM");
    auto* ram = static_cast<std::byte*>(map);

    std::memcpy(ram + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE, image.data(), image.size());
    auto* result = reinterpret_cast<payload_result*>(ram + PAYLOAD_RESULT_PAGE * CO_PAGE_SIZE);
    result->count = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1;
    result->seed = argc > 3 ? std::strtoull(argv[3], nullptr, 0) : 0;
    std::uint64_t root = build_window_tables(ram, range.phys, info.host_cr4 & 1 << 12);

    co_set_passage passage{range.phys + kPassageTableOffset, {}};
    request(guest, CO_SET_PASSAGE, &passage, "CO_SET_PASSAGE");
    RunPage first = create_vcpu(guest, 0);
    co_run* run = first.run;
    std::vector<std::thread> others; // what they run is the first one's business
    for (unsigned i = 1; i < vcpus; ++i)
        others.emplace_back(run_to_the_end, create_vcpu(guest, i));
    co_vcpu_entry entry{};
    entry.rip = CO_GRAFT_VIRT + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE;
    entry.rsp = CO_GRAFT_VIRT + (PAYLOAD_STACK_PAGE + 1) * CO_PAGE_SIZE;
    entry.cr3 = root;
    entry.rdi = create.passage_virt;
    request(first.vcpu, CO_SET_ENTRY, &entry, "CO_SET_ENTRY");
    if (vcpu_alone) {
        munmap(map, range.bytes);
        close(guest);
    }
    run_to_the_end(first);
    for (std::thread& other : others)
        other.join();

    if (vcpu_alone)
        return run->exit == CO_EXIT_POWER_OFF ? 0 : 1;
    co_guest_stats stats{};
    request(guest, CO_GET_GUEST_STATS, &stats, "CO_GET_GUEST_STATS");
    std::printf("seed %llu\nexit %u\narg0 %llu\narg1 %llu\ndone %llu\nfailures %llu\nswitches %llu\nnmis %llu\npassage_nmis %llu\ntext %.256s\n",
                result->seed, run->exit, run->arg[0], run->arg[1], result->done, result->failures, stats.switches, stats.nmis,
                stats.passage_nmis, result->text);
    for (unsigned i = 0; i < 16; ++i) {
        if (result->value[i])
            std::printf("value%u %llu\n", i, result->value[i]);
    }
    return run->exit == CO_EXIT_POWER_OFF && result->failures == 0 ? 0 : 1;
}
