// SPDX-License-Identifier: GPL-2.0
// SymbolNames: from an address in the guest kernel or its graft to "panic+0x1a2/0x2f0", as the kernel itself prints it.
#pragma once

#include "vmm/loader/kallsyms.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace colinux {

class SymbolNames {
public:
    // Kernel symbols in [start, end); names must outlive this object. Graft symbols by name.
    SymbolNames(const std::vector<Kallsyms::Symbol>& kernel, std::uint64_t start, std::uint64_t end,
                const std::map<std::string, std::uint64_t, std::less<>>& graft);

    // Empty where nothing is known. A return address lies behind its call, maybe in the next symbol: `returns`.
    std::string describe(std::uint64_t address, bool returns = false) const;
    // From the symbol that holds `address` to the next one; 0, 0 where nothing is known.
    std::pair<std::uint64_t, std::uint64_t> extent(std::uint64_t address) const;

private:
    struct Entry {
        std::uint64_t address;
        std::string_view name;
    };
    std::vector<Entry> entries_; // ascending; a nameless one ends a range
};

} // namespace colinux
