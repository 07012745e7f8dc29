// SPDX-License-Identifier: GPL-2.0
// Addresses that do not mix. Guest-physical equals machine-physical in this system, so there is one
// physical type; virtual addresses are typed by the world whose page tables give them a meaning.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace colinux {

template <typename Tag>
struct Address {
    std::uint64_t value{};

    constexpr Address() = default;
    constexpr explicit Address(std::uint64_t v) : value{v} {}

    friend constexpr auto operator<=>(Address, Address) = default;
    friend constexpr Address operator+(Address a, std::uint64_t bytes) { return Address{a.value + bytes}; }
    friend constexpr std::uint64_t operator-(Address a, Address b) { return a.value - b.value; }
};

using Phys = Address<struct PhysTag>;           // machine-physical, in bytes
using HostVirt = Address<struct HostVirtTag>;   // virtual in the host kernel
using GuestVirt = Address<struct GuestVirtTag>; // virtual in the guest kernel

inline constexpr std::uint64_t kPageSize = 4096;

constexpr bool is_aligned(std::uint64_t value, std::uint64_t alignment) { return (value & (alignment - 1)) == 0; }
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }
constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t alignment) { return value & ~(alignment - 1); }

// True when [start, start + bytes) lies inside [outer, outer + outer_bytes), overflow included.
constexpr bool range_inside(std::uint64_t start, std::uint64_t bytes, std::uint64_t outer, std::uint64_t outer_bytes)
{
    return start >= outer && bytes <= outer_bytes && start - outer <= outer_bytes - bytes;
}

} // namespace colinux
