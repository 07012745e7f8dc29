// SPDX-License-Identifier: GPL-2.0
// Kallsyms: the symbol table that every distribution kernel carries for its own backtraces, decoded from
// the unpacked image. It gives the address of every symbol, static ones included, without debug
// packages. kallsyms.cpp tells how the tables are found.
#pragma once

#include "vmm/loader/elf_image.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace colinux {

class Kallsyms {
public:
    struct Symbol {
        std::uint64_t address; // link-time virtual; per-CPU symbols: offset in the per-CPU area
        char type;             // as nm prints it
        std::string_view name; // lives as long as the Kallsyms object
    };

    // Nothing when the image has no tables of a known layout.
    static std::optional<Kallsyms> decode(const ElfImage& image);

    Kallsyms(Kallsyms&&) = default;
    Kallsyms& operator=(Kallsyms&&) = default;
    Kallsyms(const Kallsyms&) = delete;
    Kallsyms& operator=(const Kallsyms&) = delete;

    const std::vector<Symbol>& symbols() const { return symbols_; } // ascending, as in the image
    // All symbols of that name, in address order; static names may occur several times.
    std::span<const Symbol> named(std::string_view name) const;
    // The address of the first of them.
    std::optional<std::uint64_t> address(std::string_view name) const;

private:
    Kallsyms() = default;
    bool decode_names(ByteView names, ByteView markers, std::uint32_t count, const std::vector<std::string_view>& tokens);

    std::vector<char> text_;       // all names back to back
    std::vector<Symbol> symbols_;  // table order
    std::vector<Symbol> by_name_;  // sorted by name, then table order
};

} // namespace colinux
