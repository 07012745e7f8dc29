// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/breakpoints.hpp"

#include <atomic>

namespace colinux {

namespace {

std::byte load(std::byte* place) { return std::atomic_ref{*place}.load(); }
void store(std::byte* place, std::byte value) { std::atomic_ref{*place}.store(value); }

} // namespace

void Breakpoints::insert(std::uint64_t virt, std::byte* place)
{
    if (has(virt)) // gdb may say it twice
        return;
    entries_[virt] = {place, load(place)};
    store(place, kInt3);
}

void Breakpoints::remove(std::uint64_t virt)
{
    auto found = entries_.find(virt);
    if (found == entries_.end())
        return;
    if (load(found->second.place) == kInt3)
        store(found->second.place, found->second.before);
    entries_.erase(found);
}

void Breakpoints::remove_all()
{
    while (!entries_.empty())
        remove(entries_.begin()->first);
}

void Breakpoints::hide(std::uint64_t virt, std::string& bytes) const
{
    for (auto entry = entries_.lower_bound(virt); entry != entries_.end() && entry->first - virt < bytes.size(); ++entry)
        if (char& byte = bytes[entry->first - virt]; byte == static_cast<char>(kInt3))
            byte = static_cast<char>(entry->second.before);
}

void Breakpoints::rewritten(std::uint64_t virt, std::size_t bytes)
{
    for (auto entry = entries_.lower_bound(virt); entry != entries_.end() && entry->first - virt < bytes; ++entry) {
        entry->second.before = load(entry->second.place);
        store(entry->second.place, kInt3);
    }
}

} // namespace colinux
