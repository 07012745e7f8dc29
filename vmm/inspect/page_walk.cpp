// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/page_walk.hpp"

#include <algorithm>

namespace colinux {

namespace {

constexpr std::uint64_t kPresent = 1, kLarge = 0x80;
constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;

} // namespace

GuestPages::GuestPages(const GuestMemory& memory, std::uint64_t cr3, bool five_levels)
    : memory_{memory}, root_{cr3 & kFrame}, levels_{five_levels ? 5 : 4}
{
}

std::byte* GuestPages::find(std::uint64_t virt, std::uint64_t& bytes) const
{
    std::uint64_t table = root_;
    for (int shift = 12 + 9 * (levels_ - 1); shift >= 12; shift -= 9) {
        const std::byte* place = memory_.translate(table + (virt >> shift & 511) * 8, 8);
        if (!place)
            return nullptr;
        std::uint64_t entry;
        std::memcpy(&entry, place, sizeof entry);
        if (!(entry & kPresent))
            return nullptr;
        if (shift == 12 || (shift <= 30 && entry & kLarge)) {
            std::uint64_t offsets = (std::uint64_t{1} << shift) - 1;
            bytes = 4096 - (virt & 4095); // a large page may lie in several runs of guest RAM
            return memory_.translate((entry & kFrame & ~offsets) | (virt & offsets), bytes);
        }
        table = entry & kFrame;
    }
    return nullptr;
}

bool GuestPages::read(std::uint64_t virt, void* to, std::uint64_t bytes) const
{
    for (auto* out = static_cast<std::byte*>(to); bytes > 0;) {
        std::uint64_t here = 0;
        const std::byte* from = find(virt, here);
        if (!from)
            return false;
        here = std::min(here, bytes);
        std::memcpy(out, from, here);
        out += here;
        virt += here;
        bytes -= here;
    }
    return true;
}

bool GuestPages::write(std::uint64_t virt, const void* from, std::uint64_t bytes) const
{
    std::uint64_t here = 0;
    for (std::uint64_t done = 0; done < bytes; done += here) // all or nothing: look first
        if (!find(virt + done, here))
            return false;
    for (auto* in = static_cast<const std::byte*>(from); bytes > 0;) {
        std::byte* to = find(virt, here);
        here = std::min(here, bytes);
        std::memcpy(to, in, here);
        in += here;
        virt += here;
        bytes -= here;
    }
    return true;
}

} // namespace colinux
