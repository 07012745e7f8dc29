// SPDX-License-Identifier: GPL-2.0
// Btf: the kernel's own description of its types (CONFIG_DEBUG_INFO_BTF), read just far enough to ask
// where a struct's member lies and what an enum constant is. The loader uses it to prove, before boot,
// that the graft was built for the data layout of this very image.
#pragma once

#include "vmm/loader/byte_view.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace colinux {

class Btf {
public:
    struct Place {
        std::uint64_t offset; // bytes from the start of the struct
        std::uint64_t bytes;  // 0 = not known (a flexible array, a bit field)
    };

    // `section` must outlive this object. Throws std::out_of_range when it is no well-formed BTF.
    explicit Btf(ByteView section);

    // The kernel has private structs of equal names, so each question has a list of answers, one per definition.
    std::vector<std::uint64_t> struct_sizes(std::string_view name) const;
    // `path` is a member, "cpu.cpuid" one of a member; members of anonymous structs and unions count as the outer's.
    std::vector<Place> members(std::string_view struct_name, std::string_view path) const;
    // Constants of `enum NAME`, or with an empty name of any enum.
    std::vector<std::int64_t> constants(std::string_view enum_name, std::string_view constant) const;

private:
    struct Type {
        std::uint32_t name, info, size_or_type;
        std::uint64_t extra; // where in types_ the kind's own data starts
        unsigned kind() const { return info >> 24 & 0x1f; }
        unsigned length() const { return info & 0xffff; }
        bool flag() const { return info >> 31; }
    };

    const Type& type(std::uint32_t id) const { return all_.at(id); }
    std::uint64_t size_of(std::uint32_t id, int depth = 0) const;
    std::uint32_t skip_modifiers(std::uint32_t id) const;
    std::optional<Place> find_member(std::uint32_t id, std::string_view path, int depth) const;

    ByteView types_, strings_;
    std::vector<Type> all_; // index = type id; [0] is void
    std::unordered_multimap<std::string_view, std::uint32_t> structs_; // structs and unions by name
};

} // namespace colinux
