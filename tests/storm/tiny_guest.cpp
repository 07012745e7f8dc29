// SPDX-License-Identifier: GPL-2.0
#include "tiny_guest.hpp"

#include "tests/payloads/payload.h"
#include "tests/payloads/window_tables.hpp"

#include <cstring>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace storm {

namespace {

constexpr std::size_t kBytes = 2 * CO_BLOCK_SIZE;
constexpr co_u64 kFiveLevels = 1 << 12; // CR4.LA57

// The vCPU's descriptor, or -1
int make_vcpu(Objects& objects, int device, int guest, std::uint64_t passage_virt, std::byte* ram, std::uint64_t phys,
              const Image& image)
{
    co_info info{};
    objects.made(ioctl(device, CO_GET_INFO, &info));
    std::memcpy(ram + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE, image.data(), image.size());
    reinterpret_cast<payload_result*>(ram + PAYLOAD_RESULT_PAGE * CO_PAGE_SIZE)->count = 50;
    co_set_passage passage{phys + kPassageTableOffset, {}};
    if (objects.made(ioctl(guest, CO_SET_PASSAGE, &passage)) < 0)
        return -1;
    int vcpu = objects.made(ioctl(guest, CO_CREATE_VCPU, 0));
    if (vcpu < 0)
        return -1;
    co_vcpu_entry entry{};
    entry.rip = CO_GRAFT_VIRT + PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE;
    entry.rsp = CO_GRAFT_VIRT + (PAYLOAD_STACK_PAGE + 1) * CO_PAGE_SIZE;
    entry.cr3 = build_window_tables(ram, phys, info.host_cr4 & kFiveLevels);
    entry.rdi = passage_virt;
    objects.made(ioctl(vcpu, CO_SET_ENTRY, &entry));
    return vcpu;
}

} // namespace

TinyGuest make_tiny_guest(Objects& objects, int device, const Image& image)
{
    co_create_guest create{TinyGuest::kVcpus, 0, 0, 0};
    int guest = objects.made(ioctl(device, CO_CREATE_GUEST, &create));
    if (guest < 0)
        return {};
    co_allocate_memory memory{kBytes, kBytes, 0, 0, {}};
    co_memory_range range{};
    co_get_memory get{reinterpret_cast<co_u64>(&range), 1, 0};
    void* ram = MAP_FAILED;
    if (objects.made(ioctl(guest, CO_ALLOCATE_MEMORY, &memory)) == 0 && objects.made(ioctl(guest, CO_GET_MEMORY, &get)) == 0)
        ram = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, guest, 0);
    int vcpu = -1;
    if (ram != MAP_FAILED) {
        vcpu = make_vcpu(objects, device, guest, create.passage_virt, static_cast<std::byte*>(ram), range.phys, image);
        objects.made(munmap(ram, kBytes));
    }
    if (vcpu < 0) {
        objects.made(close(guest));
        return {};
    }
    objects.tally.guests.fetch_add(1);
    return {guest, vcpu};
}

} // namespace storm
