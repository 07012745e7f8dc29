// SPDX-License-Identifier: GPL-2.0
#include "payload_guest.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr std::uint64_t kPresentWritable = 3, kLarge = 1 << 7, kNoExecute = 1ull << 63;
constexpr std::uint64_t kBytes = std::uint64_t{PAYLOAD_BLOCKS} * CO_BLOCK_SIZE;

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

void* map_file(int fd, std::uint64_t bytes, const char* what)
{
    void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        fail(what);
    return map;
}

} // namespace

int request(int fd, unsigned long code, void* argument, const char* what)
{
    int result = ioctl(fd, code, argument);
    if (result < 0)
        fail(what);
    return result;
}

PayloadGuest::PayloadGuest(int device, const std::vector<char>& image, unsigned vcpus, bool five_levels)
    : levels_{five_levels ? 5u : 4u}
{
    co_create_guest create{vcpus, 0, 0, 0};
    guest_ = request(device, CO_CREATE_GUEST, &create, "CO_CREATE_GUEST");
    passage_virt_ = create.passage_virt;
    co_allocate_memory memory{kBytes, kBytes, 0, 0, {}};
    request(guest_, CO_ALLOCATE_MEMORY, &memory, "CO_ALLOCATE_MEMORY");
    co_memory_range range{};
    co_get_memory get{reinterpret_cast<co_u64>(&range), 1, 0};
    request(guest_, CO_GET_MEMORY, &get, "CO_GET_MEMORY");
    phys_ = range.phys;
    ram_ = static_cast<std::byte*>(map_file(guest_, kBytes, "mmap of guest RAM"));
    result_ = reinterpret_cast<payload_result*>(ram_ + PAYLOAD_RESULT_PAGE * CO_PAGE_SIZE);
    vcpus_.resize(vcpus);
    set_up(image);
}

void PayloadGuest::set_up(const std::vector<char>& image)
{
    std::memcpy(ram_ + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE, image.data(), image.size());
    for (unsigned page = 0; page < CO_GRAFT_BYTES / CO_PAGE_SIZE; ++page) {
        if (page != PAYLOAD_STACK_PAGE - 1)
            map(CO_GRAFT_VIRT + page * CO_PAGE_SIZE, phys_ + page * CO_PAGE_SIZE, 1, kPresentWritable);
    }
    for (std::uint64_t offset = 0; offset < kBytes; offset += CO_BLOCK_SIZE)
        map(PAYLOAD_DIRECT_VIRT + offset, phys_ + offset, 2, kPresentWritable | kLarge | kNoExecute);

    map(CO_PASSAGE_VIRT, phys_ + PAYLOAD_PASSAGE_TABLE, 2, kPresentWritable);
    co_set_passage passage{phys_ + PAYLOAD_PASSAGE_TABLE, {}};
    request(guest_, CO_SET_PASSAGE, &passage, "CO_SET_PASSAGE");
    for (std::size_t index = 0; index < vcpus_.size(); ++index) {
        Vcpu& vcpu = vcpus_[index];
        vcpu.fd = request(guest_, CO_CREATE_VCPU, reinterpret_cast<void*>(index), "CO_CREATE_VCPU");
        vcpu.run = static_cast<co_run*>(map_file(vcpu.fd, CO_PAGE_SIZE, "mmap of the run page"));
    }
    co_vcpu_entry entry{};
    entry.rip = CO_GRAFT_VIRT + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE;
    entry.rsp = CO_GRAFT_VIRT + (PAYLOAD_STACK_PAGE + 1) * CO_PAGE_SIZE;
    entry.cr3 = phys_ + CO_BLOCK_SIZE;
    entry.rdi = passage_virt_;
    request(vcpus_[0].fd, CO_SET_ENTRY, &entry, "CO_SET_ENTRY");
}

// One page of `last_level`; the tables on the way are made in the second block, the root first.
void PayloadGuest::map(std::uint64_t virt, std::uint64_t phys, unsigned last_level, std::uint64_t flags)
{
    auto table_at = [&](std::uint64_t at) { return reinterpret_cast<std::uint64_t*>(ram_ + (at - phys_)); };
    auto slot = [&](unsigned level) { return virt >> (12 + 9 * (level - 1)) & 511; };
    std::uint64_t table = phys_ + CO_BLOCK_SIZE;
    for (unsigned level = levels_; level > last_level; --level) {
        std::uint64_t& entry = table_at(table)[slot(level)];
        if (!entry)
            entry = (phys_ + CO_BLOCK_SIZE + tables_++ * CO_PAGE_SIZE) | kPresentWritable;
        table = entry & ~0xfffull;
    }
    table_at(table)[slot(last_level)] = phys | flags;
}

std::optional<co_run> PayloadGuest::run(std::chrono::milliseconds patience)
{
    std::unique_lock lock{mutex_};
    running_ = vcpus_.size();
    for (Vcpu& vcpu : vcpus_)
        vcpu.thread = std::thread{[this, &vcpu] { lend(vcpu); }};
    changed_.wait_for(lock, patience, [this] { return end_.has_value(); });
    std::optional<co_run> end = end_;
    for (Vcpu& vcpu : vcpus_)
        vcpu.run->immediate_exit = 1;
    while (running_ > 0) { // a signal may come just before the ioctl: again
        for (Vcpu& vcpu : vcpus_)
            pthread_kill(vcpu.thread.native_handle(), SIGUSR1);
        changed_.wait_for(lock, std::chrono::milliseconds{5}, [this] { return running_ == 0; });
    }
    return end;
}

void PayloadGuest::lend(Vcpu& vcpu)
{
    do {
        request(vcpu.fd, CO_RUN, nullptr, "CO_RUN");
        if (vcpu.run->exit == CO_EXIT_DEVICE)
            serve_device(*vcpu.run);
    } while ((vcpu.run->exit == CO_EXIT_INTERRUPTED || vcpu.run->exit == CO_EXIT_DEVICE) &&
             !__atomic_load_n(&vcpu.run->immediate_exit, __ATOMIC_RELAXED));
    std::lock_guard lock{mutex_};
    --running_;
    if (!end_ && vcpu.run->exit >= CO_EXIT_POWER_OFF)
        end_ = *vcpu.run;
    changed_.notify_all();
}

void PayloadGuest::serve_device(co_run& run)
{
    if (run.arg[1] == PAYLOAD_DEVICE_WRITE && run.arg[2] <= kBytes - sizeof(co_u64))
        std::memcpy(ram_ + run.arg[2], &run.arg[3], sizeof(co_u64));
    run.result = 0x1234;
}

PayloadGuest::~PayloadGuest()
{
    for (Vcpu& vcpu : vcpus_) {
        if (vcpu.thread.joinable())
            vcpu.thread.join();
        munmap(vcpu.run, CO_PAGE_SIZE);
        close(vcpu.fd);
    }
    munmap(ram_, kBytes);
    close(guest_);
}

void PayloadGuest::install_signal_handler()
{
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
}
