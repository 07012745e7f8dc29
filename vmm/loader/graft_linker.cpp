// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/graft_linker.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace colinux {
namespace {

using Kind = GraftObject::Kind;

class Linker {
public:
    Linker(const GraftObject& object, const SymbolResolver& kernel)
        : object_{object}, kernel_{kernel}, section_offsets_(object.sections().size())
    {
        linked_.path = object.path();
    }

    LinkedGraft run()
    {
        lay_out(Kind::Text);
        linked_.text_bytes = linked_.image.size();
        lay_out(Kind::ReadOnly);
        linked_.read_only_end = linked_.image.size();
        lay_out(Kind::Data);
        resolve_symbols();
        for (std::size_t i = 0; i < object_.sections().size(); i++)
            link_section(i);
        return std::move(linked_);
    }

private:
    [[noreturn]] void unusable(const std::string& why) const
    {
        throw Failure{ExitCode::NoGraft, "graft '" + object_.path() + "': " + why + "; run `colinux graft build` again"};
    }

    // Appends all sections of one kind and fills up to the page.
    void lay_out(Kind kind)
    {
        std::vector<std::byte>& image = linked_.image;
        for (std::size_t i = 0; i < object_.sections().size(); i++) {
            const GraftObject::Section& section = object_.sections()[i];
            if (section.kind != kind)
                continue;
            section_offsets_[i] = align_up(image.size(), section.alignment);
            if (section_offsets_[i] + section.bytes > CO_GRAFT_BYTES)
                unusable("it is larger than its window of " + std::to_string(CO_GRAFT_BYTES) + " bytes");
            image.resize(section_offsets_[i] + section.bytes);
            std::ranges::copy(section.contents.span(), image.begin() + static_cast<std::ptrdiff_t>(section_offsets_[i]));
        }
        image.resize(align_up(image.size(), kPageSize));
    }

    void resolve_symbols()
    {
        for (const GraftObject::Symbol& symbol : object_.symbols()) {
            if (symbol.section == GraftObject::kUndefined) {
                values_.push_back(symbol.name.empty() ? 0 : undefined(symbol));
            } else if (symbol.section == GraftObject::kAbsolute) {
                values_.push_back(symbol.value);
            } else {
                values_.push_back(CO_GRAFT_VIRT + section_offsets_[symbol.section] + symbol.value);
                if (object_.sections()[symbol.section].kind != Kind::Dropped)
                    linked_.addresses.insert_or_assign(symbol.name, values_.back()); // globals come last in ELF
            }
        }
    }

    std::uint64_t undefined(const GraftObject::Symbol& symbol) const
    {
        std::optional<std::uint64_t> address = kernel_(symbol.name);
        if (!address && !symbol.weak)
            throw Failure{ExitCode::KernelUnfit, "kernel " + object_.release() + " cannot be taken over: it has no symbol " + symbol.name
                                                     + ", which the graft needs"};
        return address.value_or(0);
    }

    void link_section(std::size_t index)
    {
        const GraftObject::Section& section = object_.sections()[index];
        if (section.kind == Kind::Dropped)
            return;
        if (section.kind != Kind::Fixups) {
            std::span<std::byte> place{linked_.image.data() + section_offsets_[index], section.bytes};
            relocate(section, place, CO_GRAFT_VIRT + section_offsets_[index]);
            return;
        }
        std::vector<std::byte> bytes{section.contents.span().begin(), section.contents.span().end()};
        if (bytes.size() % sizeof(co_graft_fixup) != 0)
            unusable("its table of fixups has another layout than this program's");
        relocate(section, bytes, 0);
        for (std::size_t at = 0; at < bytes.size(); at += sizeof(co_graft_fixup))
            linked_.fixups.push_back({ByteView{bytes}.at<co_graft_fixup>(at), "a fixed address"});
        for (const GraftObject::Relocation& relocation : section.relocations)
            if (relocation.offset % sizeof(co_graft_fixup) == offsetof(co_graft_fixup, address))
                name_fixup(linked_.fixups[relocation.offset / sizeof(co_graft_fixup)], relocation);
        std::erase_if(linked_.fixups, [](const LinkedGraft::Fixup& fixup) { return fixup.entry.kind == 0; });
    }

    void name_fixup(LinkedGraft::Fixup& fixup, const GraftObject::Relocation& relocation) const
    {
        fixup.name = object_.symbols()[relocation.symbol].name + (relocation.addend ? "+" + std::to_string(relocation.addend) : "");
        if (values_[relocation.symbol] == 0 && object_.symbols()[relocation.symbol].section == GraftObject::kUndefined)
            fixup.entry.address = 0; // an absent weak symbol plus an offset is absent too
    }

    void relocate(const GraftObject::Section& section, std::span<std::byte> place, std::uint64_t place_virt)
    {
        for (const GraftObject::Relocation& relocation : section.relocations) {
            const GraftObject::Symbol& symbol = object_.symbols()[relocation.symbol];
            if (symbol.section != GraftObject::kAbsolute && object_.sections()[symbol.section].kind == Kind::Dropped
                && symbol.section != GraftObject::kUndefined)
                unusable(section.name + " refers to the section " + object_.sections()[symbol.section].name + ", which is not loaded");
            std::uint64_t value = values_[relocation.symbol] + static_cast<std::uint64_t>(relocation.addend);
            std::uint64_t relative = value - place_virt - relocation.offset;
            switch (relocation.type) {
            case R_X86_64_NONE: break;
            case R_X86_64_64: store(section, place, relocation, value, 8, true); break;
            case R_X86_64_PC64: store(section, place, relocation, relative, 8, true); break;
            case R_X86_64_32: store(section, place, relocation, value, 4, value == static_cast<std::uint32_t>(value)); break;
            case R_X86_64_32S: store(section, place, relocation, value, 4, is_signed_32(value)); break;
            case R_X86_64_PC32:
            case R_X86_64_PLT32: store(section, place, relocation, relative, 4, is_signed_32(relative)); break;
            default: unusable("relocation type " + std::to_string(relocation.type) + " against " + symbol.name + " is not known");
            }
        }
    }

    static bool is_signed_32(std::uint64_t value)
    {
        return static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value);
    }

    void store(const GraftObject::Section& section, std::span<std::byte> place, const GraftObject::Relocation& relocation,
               std::uint64_t value, std::uint64_t bytes, bool fits) const
    {
        if (!fits)
            unusable("the address of " + object_.symbols()[relocation.symbol].name + " does not fit its use in " + section.name);
        if (!range_inside(relocation.offset, bytes, 0, place.size()))
            unusable("a relocation of " + section.name + " lies outside it");
        std::memcpy(place.data() + relocation.offset, &value, bytes);
    }

    const GraftObject& object_;
    const SymbolResolver& kernel_;
    std::vector<std::uint64_t> section_offsets_; // in the window, by section number
    std::vector<std::uint64_t> values_;          // by symbol number
    LinkedGraft linked_{};
};

} // namespace

std::uint64_t LinkedGraft::address(std::string_view name) const
{
    auto found = addresses.find(name);
    if (found == addresses.end())
        throw Failure{ExitCode::NoGraft, "graft '" + path + "': it does not define " + std::string{name} + "; run `colinux graft build` again"};
    return found->second;
}

LinkedGraft link_graft(const GraftObject& object, const SymbolResolver& kernel)
{
    return Linker{object, kernel}.run();
}

} // namespace colinux
