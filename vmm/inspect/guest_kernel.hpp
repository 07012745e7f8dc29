// SPDX-License-Identifier: GPL-2.0
// GuestKernel: what the loaded kernel says about itself, read from its image in guest RAM: symbols, unwind table, types.
// Made when somebody asks (it takes a fraction of a second and some memory), not kept while the guest just runs. The
// guest may have damaged its image: then a part is missing, and whoever asks does without.
#pragma once

#include "vmm/inspect/orc_table.hpp"
#include "vmm/inspect/page_walk.hpp"
#include "vmm/inspect/symbol_names.hpp"
#include "vmm/loader/boot.hpp"
#include "vmm/loader/btf.hpp"
#include "vmm/loader/elf_image.hpp"
#include "vmm/loader/kallsyms.hpp"

#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace colinux {

class GuestKernel {
public:
    GuestKernel(const LoadedKernel& loaded, const GuestMemory& memory);
    GuestKernel(const GuestKernel&) = delete;
    GuestKernel& operator=(const GuestKernel&) = delete;

    bool in_text(std::uint64_t address) const { return address >= text_start_ && address < text_end_; }
    bool in_graft(std::uint64_t address) const;
    // Code of the kernel, the graft, or a module
    bool is_code(std::uint64_t address) const;

    std::string describe(std::uint64_t address, bool returns = false) const;
    std::optional<std::uint64_t> address(std::string_view symbol) const;
    std::pair<std::uint64_t, std::uint64_t> extent(std::uint64_t address) const { return names_->extent(address); }
    // The 64-bit words between two symbols of the image, as they are now; none when there are no such symbols.
    std::vector<std::uint64_t> words(std::string_view start, std::string_view stop) const;
    // Where a member lies in its struct; nothing when the kernel's types do not say.
    std::optional<std::uint64_t> offset(std::string_view struct_name, std::string_view member) const;
    // A variable of the kernel's image, as it is now.
    template <typename T>
    std::optional<T> variable(std::string_view symbol) const
    {
        const std::byte* place = find_variable(symbol, sizeof(T));
        T value;
        if (place)
            std::memcpy(&value, place, sizeof value);
        return place ? std::optional{value} : std::nullopt;
    }
    // Changes a member of such a variable; false: the kernel has none.
    template <typename T>
    bool set_member(std::string_view symbol, std::string_view struct_name, std::string_view member, T value) const
    {
        std::optional<std::uint64_t> at = offset(struct_name, member);
        std::byte* place = at ? find_variable(symbol, *at + sizeof value) : nullptr;
        if (place)
            std::memcpy(place + *at, &value, sizeof value);
        return place != nullptr;
    }
    // Through the kernel's own page tables, whatever any CPU uses; nothing when they cannot be found.
    std::optional<GuestPages> pages(bool five_levels) const;
    // The image lies so much higher in memory than it was linked for (the kernel's phys_base).
    std::uint64_t physical_shift() const;
    const OrcTable* orc() const { return orc_ ? &*orc_ : nullptr; }
    bool has_symbols() const { return symbols_.has_value(); }

private:
    std::byte* find_variable(std::string_view symbol, std::uint64_t bytes) const;
    ByteView between(std::string_view start, std::string_view stop) const;

    const LoadedKernel& loaded_;
    const GuestMemory& memory_;
    ElfImage image_;
    std::optional<Kallsyms> symbols_;
    std::optional<SymbolNames> names_;
    std::optional<OrcTable> orc_;
    std::optional<Btf> types_;
    std::uint64_t text_start_{}, text_end_{};
};

} // namespace colinux
