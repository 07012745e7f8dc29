// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/graft_object.hpp"

#include "control/failure.hpp"
#include "vmm/loader/kernel_file.hpp"

#include <colinux/boot_info.h>

#include <elf.h>

#include <algorithm>
#include <array>
#include <bit>

namespace colinux {
namespace {

// Tables by which the kernel or its build tools would find places in the code of a module. Nobody reads the
// graft's, so they and their relocations are left out.
constexpr std::array<std::string_view, 16> kDropped{
    ".altinstructions", ".altinstr_replacement", ".orc_", ".return_sites", ".retpoline_sites",
    ".call_sites", ".ibt_endbr_seal", "__mcount_loc", "__patchable_function_entries", ".discard.", ".note",
    "__bug_table", "__jump_table", ".static_call_sites", ".parainstructions", ".smp_locks",
};

GraftObject::Kind kind_of(const std::string& name, const Elf64_Shdr& header)
{
    using Kind = GraftObject::Kind;
    if (name == ".colinux.fixups")
        return Kind::Fixups;
    if (!(header.sh_flags & SHF_ALLOC) || name == ".colinux.layout" || name == ".modinfo" || name == ".gnu.linkonce.this_module"
        || std::ranges::any_of(kDropped, [&](std::string_view prefix) { return name.starts_with(prefix); }))
        return Kind::Dropped;
    if (header.sh_flags & SHF_EXECINSTR)
        return Kind::Text;
    return header.sh_flags & SHF_WRITE ? Kind::Data : Kind::ReadOnly;
}

} // namespace

void GraftObject::parse_sections()
{
    ByteView file{file_};
    auto header = file.at<Elf64_Ehdr>(0);
    if (header.e_machine != EM_X86_64 || header.e_type != ET_REL || header.e_shentsize != sizeof(Elf64_Shdr))
        throw std::out_of_range{"not a relocatable x86-64 object"};
    auto section_header = [&](std::uint32_t i) { return file.at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr)); };
    Elf64_Shdr names = section_header(header.e_shstrndx);
    ByteView name_bytes = file.sub(names.sh_offset, names.sh_size);
    for (std::uint32_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section = section_header(i);
        std::string name{i ? name_bytes.text(section.sh_name) : ""};
        std::uint64_t alignment = std::max<std::uint64_t>(section.sh_addralign, 1);
        if (!std::has_single_bit(alignment) || alignment > CO_GRAFT_BYTES || (section.sh_flags & SHF_ALLOC && section.sh_size > CO_GRAFT_BYTES))
            throw std::out_of_range{"section " + name + " is too large"};
        sections_.push_back({name, kind_of(name, section), section.sh_size, alignment,
                             section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL ? ByteView{} : file.sub(section.sh_offset, section.sh_size), {}});
    }
    for (std::uint32_t i = 0; i < sections_.size(); i++)
        if (section_header(i).sh_type == SHT_SYMTAB)
            parse_symbols(i);
    for (std::uint32_t i = 0; i < sections_.size(); i++)
        if (section_header(i).sh_type == SHT_RELA)
            parse_relocations(i);
}

void GraftObject::parse_symbols(std::uint32_t table)
{
    auto header = ByteView{file_}.at<Elf64_Ehdr>(0);
    auto table_header = ByteView{file_}.at<Elf64_Shdr>(header.e_shoff + table * sizeof(Elf64_Shdr));
    ByteView names = sections_.at(table_header.sh_link).contents;
    for (std::uint64_t at = 0; at < sections_[table].bytes; at += sizeof(Elf64_Sym)) {
        auto symbol = sections_[table].contents.at<Elf64_Sym>(at);
        std::string name{names.text(symbol.st_name)};
        if (symbol.st_shndx != SHN_ABS && symbol.st_shndx >= sections_.size())
            throw std::out_of_range{"symbol " + name + " lies in no section (built with -fcommon?)"};
        if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION)
            name = sections_[symbol.st_shndx].name;
        symbols_.push_back({name, symbol.st_value, symbol.st_shndx, ELF64_ST_BIND(symbol.st_info) == STB_WEAK});
    }
}

void GraftObject::parse_relocations(std::uint32_t table)
{
    auto header = ByteView{file_}.at<Elf64_Ehdr>(0);
    auto table_header = ByteView{file_}.at<Elf64_Shdr>(header.e_shoff + table * sizeof(Elf64_Shdr));
    Section& target = sections_.at(table_header.sh_info);
    if (target.kind == Kind::Dropped)
        return;
    for (std::uint64_t at = 0; at < sections_[table].bytes; at += sizeof(Elf64_Rela)) {
        auto entry = sections_[table].contents.at<Elf64_Rela>(at);
        auto symbol = static_cast<std::uint32_t>(ELF64_R_SYM(entry.r_info));
        if (symbol >= symbols_.size() || entry.r_offset >= target.contents.size())
            throw std::out_of_range{"a relocation of " + target.name + " is out of range"};
        target.relocations.push_back({entry.r_offset, static_cast<std::uint32_t>(ELF64_R_TYPE(entry.r_info)), symbol, entry.r_addend});
    }
}

void GraftObject::parse_modinfo(ByteView strings)
{
    for (std::uint64_t at = 0; at < strings.size();) {
        std::string_view entry = strings.text(at);
        at += entry.size() + 1;
        if (entry.starts_with("vermagic="))
            release_ = entry.substr(9, entry.find(' ') - 9);
        marked_ |= entry == "colinux_graft=" + std::to_string(CO_GRAFT_OBJECT_VERSION);
    }
}

void GraftObject::parse_layouts(ByteView table)
{
    for (std::uint64_t at = 0; at < table.size(); at += sizeof(co_graft_layout)) {
        auto layout = table.at<co_graft_layout>(at);
        if (layout.struct_name[0] != '\0')
            layouts_.push_back(layout);
    }
}

GraftObject GraftObject::parse(std::vector<std::byte> file, const std::string& path)
{
    GraftObject object;
    object.file_ = std::move(file);
    object.path_ = path;
    try {
        object.parse_sections();
        for (const Section& section : object.sections_) {
            if (section.name == ".modinfo")
                object.parse_modinfo(section.contents);
            if (section.name == ".colinux.layout")
                object.parse_layouts(section.contents);
        }
        if (!object.marked_ || object.release_.empty())
            throw std::out_of_range{"it does not say colinux_graft=" + std::to_string(CO_GRAFT_OBJECT_VERSION) + " and a vermagic"};
    } catch (const std::out_of_range& error) {
        throw Failure{ExitCode::NoGraft, "graft '" + path + "': not a usable graft object: " + error.what()
                                             + "; run `colinux graft build` again"};
    }
    return object;
}

GraftObject GraftObject::read(const std::string& path)
{
    return parse(read_whole_file(path, "graft", ExitCode::NoGraft), path);
}

} // namespace colinux
