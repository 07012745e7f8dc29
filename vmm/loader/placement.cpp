// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/placement.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"

#include <colinux/boot_info.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
constexpr std::uint64_t kLargePage = 2 * kMebibyte;

bool fits(std::uint64_t from, std::uint64_t bytes, std::uint64_t end) { return from <= end && bytes <= end - from; }

[[noreturn]] void no_room(const GuestMemory& memory, const std::string& what, std::uint64_t bytes)
{
    std::uint64_t largest = 0;
    for (const GuestMemory::Range& range : memory.ranges())
        largest = std::max(largest, range.bytes);
    throw Failure{ExitCode::MemoryNotFound, what + " needs one physically contiguous run of " + std::to_string(align_up(bytes, kMebibyte) / kMebibyte)
                                                + " MiB; the largest of " + std::to_string(memory.ranges().size()) + " found is "
                                                + std::to_string(largest / kMebibyte) + " MiB; give more --memory or free some on the host"};
}

} // namespace

Placement place_kernel(const GuestMemory& memory, std::uint64_t kernel_bytes, std::uint64_t initrd_bytes, const std::string& path)
{
    const std::uint64_t block_bytes = kernel_bytes + CO_GRAFT_BYTES;
    auto start_of = [](const GuestMemory::Range& range) { return align_up(std::max(range.phys, kMebibyte), kLargePage); };
    auto home = std::ranges::find_if(memory.ranges(), [&](const GuestMemory::Range& range) {
        return fits(start_of(range), block_bytes, range.phys + range.bytes);
    });
    if (home == memory.ranges().end())
        no_room(memory, "kernel '" + path + "'", block_bytes);
    Placement place{.kernel = start_of(*home), .graft = start_of(*home) + kernel_bytes, .initrd = 0};
    if (initrd_bytes == 0)
        return place;

    auto free_from = [&](const GuestMemory::Range& range) {
        return range.phys == home->phys ? place.graft + CO_GRAFT_BYTES : align_up(range.phys, kPageSize);
    };
    auto room = std::ranges::find_if(memory.ranges(), [&](const GuestMemory::Range& range) {
        return fits(free_from(range), initrd_bytes, range.phys + range.bytes);
    });
    if (room == memory.ranges().end())
        no_room(memory, "the initrd", initrd_bytes);
    place.initrd = free_from(*room);
    return place;
}

} // namespace colinux
