// SPDX-License-Identifier: GPL-2.0
// GraftObject: a parsed graft.o (include/colinux/graft_object.h says what is in it): its sections, symbols,
// relocations, the kernel release it was built for and the layouts it relies on. Parsing only; the
// linker decides where things go.
#pragma once

#include "vmm/loader/byte_view.hpp"

#include <colinux/graft_object.h>

#include <cstdint>
#include <string>
#include <vector>

namespace colinux {

class GraftObject {
public:
    struct Relocation {
        std::uint64_t offset; // in the section
        std::uint32_t type;   // R_X86_64_*
        std::uint32_t symbol; // index in symbols()
        std::int64_t addend;
    };
    enum class Kind { Text, ReadOnly, Data, Fixups, Dropped };
    struct Section {
        std::string name;
        Kind kind;
        std::uint64_t bytes, alignment;
        ByteView contents; // empty for bss
        std::vector<Relocation> relocations;
    };
    struct Symbol {
        std::string name;
        std::uint64_t value; // offset in its section, or an absolute value
        std::uint32_t section; // index in sections(), or kUndefined / kAbsolute
        bool weak;
    };
    static constexpr std::uint32_t kUndefined = 0, kAbsolute = 0xfff1;

    // Failure: NoGraft when the file is missing, damaged or no graft.
    static GraftObject read(const std::string& path);
    // `path` serves messages only.
    static GraftObject parse(std::vector<std::byte> file, const std::string& path);

    GraftObject(GraftObject&&) = default;
    GraftObject& operator=(GraftObject&&) = default;
    GraftObject(const GraftObject&) = delete; // sections() point into file_
    GraftObject& operator=(const GraftObject&) = delete;

    const std::string& path() const { return path_; }
    const std::string& release() const { return release_; } // of the kernel that it was built for
    const std::vector<Section>& sections() const { return sections_; } // index = ELF section number
    const std::vector<Symbol>& symbols() const { return symbols_; }
    const std::vector<co_graft_layout>& layouts() const { return layouts_; }

private:
    GraftObject() = default;
    void parse_sections();
    void parse_symbols(std::uint32_t table);
    void parse_relocations(std::uint32_t table);
    void parse_modinfo(ByteView strings);
    void parse_layouts(ByteView table);

    std::vector<std::byte> file_;
    std::string path_, release_;
    bool marked_ = false; // .modinfo says that it is a graft
    std::vector<Section> sections_;
    std::vector<Symbol> symbols_;
    std::vector<co_graft_layout> layouts_;
};

} // namespace colinux
