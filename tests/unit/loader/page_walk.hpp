// SPDX-License-Identifier: GPL-2.0
// A page walk in software (SDM volume 3, section 4.5) over a fake guest memory, and that memory.
#pragma once

#include "control/guest_memory.hpp"

#include <cstring>
#include <optional>
#include <vector>

namespace colinux::testing {

struct Translation {
    std::uint64_t phys;
    bool writable, executable;
};

inline std::optional<Translation> walk(const GuestMemory& memory, std::uint64_t cr3, std::uint64_t virt, int levels)
{
    constexpr std::uint64_t kFrame = 0x000ffffffffff000;
    std::uint64_t table = cr3;
    bool writable = true, executable = true;
    for (int shift = 12 + 9 * (levels - 1); shift >= 12; shift -= 9) {
        std::uint64_t entry;
        const std::byte* place = memory.translate(table + (virt >> shift & 511) * 8, 8);
        if (!place)
            return std::nullopt;
        std::memcpy(&entry, place, 8);
        if (!(entry & 1))
            return std::nullopt;
        writable &= (entry & 2) != 0;
        executable &= entry >> 63 == 0;
        std::uint64_t offset_mask = (1ull << shift) - 1;
        if (shift == 12 || entry & 0x80)
            return Translation{(entry & kFrame & ~offset_mask) | (virt & offset_mask), writable, executable};
        table = entry & kFrame;
    }
    return std::nullopt;
}

// Ranges of guest RAM in ordinary memory, filled with junk, as a reused frame would be.
class FakeMemory {
public:
    void add(std::uint64_t phys, std::uint64_t bytes)
    {
        storage_.emplace_back(bytes, std::byte{0xcc});
        ranges_.push_back({phys, bytes, storage_.back().data()});
    }
    GuestMemory view() const { return GuestMemory{ranges_}; }

private:
    std::vector<std::vector<std::byte>> storage_;
    std::vector<GuestMemory::Range> ranges_;
};

template <typename T>
T read_guest(const GuestMemory& memory, std::uint64_t phys)
{
    T value{};
    if (const std::byte* place = memory.translate(phys, sizeof(T)))
        std::memcpy(&value, place, sizeof(T));
    return value;
}

} // namespace colinux::testing
