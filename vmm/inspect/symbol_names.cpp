// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/symbol_names.hpp"

#include <colinux/boot_info.h>

#include <algorithm>
#include <cstdio>

namespace colinux {

SymbolNames::SymbolNames(const std::vector<Kallsyms::Symbol>& kernel, std::uint64_t start, std::uint64_t end,
                         const std::map<std::string, std::uint64_t, std::less<>>& graft)
{
    for (const Kallsyms::Symbol& symbol : kernel)
        if (symbol.address >= start && symbol.address < end)
            entries_.push_back({symbol.address, symbol.name});
    entries_.push_back({end, {}});
    for (const auto& [name, address] : graft)
        if (!name.empty() && name[0] != '.')
            entries_.push_back({address, name});
    entries_.push_back({CO_GRAFT_VIRT + CO_GRAFT_BYTES, {}});
    std::ranges::stable_sort(entries_, {}, &Entry::address);
    auto same_address = [](const Entry& one, const Entry& other) { return one.address == other.address; };
    auto rest = std::unique(entries_.begin(), entries_.end(), same_address); // the first of several names stays, like the kernel's choice
    entries_.erase(rest, entries_.end());
}

std::string SymbolNames::describe(std::uint64_t address, bool returns) const
{
    auto next = std::ranges::upper_bound(entries_, returns ? address - 1 : address, {}, &Entry::address);
    if (next == entries_.begin() || next == entries_.end() || std::prev(next)->name.empty())
        return {};
    const Entry& found = *std::prev(next);
    char place[48];
    snprintf(place, sizeof place, "+0x%llx/0x%llx", static_cast<unsigned long long>(address - found.address),
             static_cast<unsigned long long>(next->address - found.address));
    return std::string{found.name} + place + (address >= CO_GRAFT_VIRT ? " [graft]" : "");
}

std::pair<std::uint64_t, std::uint64_t> SymbolNames::extent(std::uint64_t address) const
{
    auto next = std::ranges::upper_bound(entries_, address, {}, &Entry::address);
    if (next == entries_.begin() || next == entries_.end() || std::prev(next)->name.empty())
        return {};
    return {std::prev(next)->address, next->address};
}

} // namespace colinux
