// SPDX-License-Identifier: GPL-2.0
// GuestPages: the guest's own view of its memory: virtual addresses through its page tables, as its CPU walks them
// (SDM Vol. 3, 4.5), but only as far as they lead to guest RAM. Nothing in the guest is trusted: an address that leads
// nowhere is an answer, not an error. The guest should stand still meanwhile; if not, the answers are of some moment.
#pragma once

#include "control/guest_memory.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

namespace colinux {

class GuestPages {
public:
    GuestPages(const GuestMemory& memory, std::uint64_t cr3, bool five_levels);

    // The byte at `virt`, with all that follows it in its page in `bytes`; nullptr: not mapped, or not guest RAM.
    std::byte* find(std::uint64_t virt, std::uint64_t& bytes) const;

    // All of [virt, virt + bytes), or nothing and false. Rights are not looked at.
    bool read(std::uint64_t virt, void* to, std::uint64_t bytes) const;
    bool write(std::uint64_t virt, const void* from, std::uint64_t bytes) const;

    template <typename T>
    std::optional<T> at(std::uint64_t virt) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        return read(virt, &value, sizeof value) ? std::optional{value} : std::nullopt;
    }

private:
    const GuestMemory& memory_;
    std::uint64_t root_;
    int levels_;
};

} // namespace colinux
