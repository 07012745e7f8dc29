// SPDX-License-Identifier: GPL-2.0
// The format is Documentation/bpf/btf.rst's. Every reference between types is followed to a bounded
// depth: a damaged section may hold cycles.
#include "vmm/loader/btf.hpp"

#include <array>

namespace colinux {
namespace {

enum Kind : unsigned {
    Int = 1, Pointer, Array, Struct, Union, Enum, Forward, Typedef, Volatile, Const, Restrict, Function,
    FunctionPrototype, Variable, DataSection, Float, DeclarationTag, TypeTag, Enum64,
};

constexpr int kDeepest = 32;
constexpr std::uint32_t kMember = 12, kEnumerator = 8, kEnumerator64 = 12, kArray = 12; // bytes of each record

// Bytes that follow a type's common 12.
std::uint64_t extra_bytes(unsigned kind, std::uint64_t length)
{
    switch (kind) {
    case Int: case Variable: case DeclarationTag: return 4;
    case Array: return kArray;
    case Struct: case Union: return length * kMember;
    case Enum: return length * kEnumerator;
    case Enum64: return length * kEnumerator64;
    case FunctionPrototype: return length * 8;
    case DataSection: return length * 12;
    case Pointer: case Forward: case Typedef: case Volatile: case Const: case Restrict: case Function: case Float:
    case TypeTag: return 0;
    default: throw std::out_of_range{"an unknown kind of BTF type"};
    }
}

} // namespace

Btf::Btf(ByteView section)
{
    if (section.at<std::uint16_t>(0) != 0xeb9f || section.at<std::uint8_t>(2) != 1)
        throw std::out_of_range{"no BTF header"};
    auto header_bytes = section.at<std::uint32_t>(4);
    types_ = section.sub(std::uint64_t{header_bytes} + section.at<std::uint32_t>(8), section.at<std::uint32_t>(12));
    strings_ = section.sub(std::uint64_t{header_bytes} + section.at<std::uint32_t>(16), section.at<std::uint32_t>(20));

    all_.push_back({});
    for (std::uint64_t at = 0; at < types_.size();) {
        auto head = types_.at<std::array<std::uint32_t, 3>>(at);
        Type next{head[0], head[1], head[2], at + sizeof(head)};
        at = next.extra + extra_bytes(next.kind(), next.length());
        if ((next.kind() == Struct || next.kind() == Union) && next.name != 0)
            structs_.emplace(strings_.text(next.name), static_cast<std::uint32_t>(all_.size()));
        all_.push_back(next);
    }
}

std::uint32_t Btf::skip_modifiers(std::uint32_t id) const
{
    for (int depth = 0; depth < kDeepest; depth++) {
        switch (type(id).kind()) {
        case Typedef: case Volatile: case Const: case Restrict: case TypeTag: id = type(id).size_or_type; break;
        default: return id;
        }
    }
    throw std::out_of_range{"BTF types refer to each other in a circle"};
}

std::uint64_t Btf::size_of(std::uint32_t id, int depth) const
{
    if (depth > kDeepest)
        throw std::out_of_range{"BTF types refer to each other in a circle"};
    const Type& plain = type(skip_modifiers(id));
    switch (plain.kind()) {
    case Pointer: return 8;
    case Array: {
        auto array = types_.at<std::array<std::uint32_t, 3>>(plain.extra); // element, index type, count
        return array[2] * size_of(array[0], depth + 1);
    }
    case Int: case Struct: case Union: case Enum: case Enum64: case Float: return plain.size_or_type;
    default: return 0;
    }
}

std::optional<Btf::Place> Btf::find_member(std::uint32_t id, std::string_view path, int depth) const
{
    const Type& owner = type(skip_modifiers(id));
    if (depth > kDeepest || (owner.kind() != Struct && owner.kind() != Union))
        return std::nullopt;
    std::string_view first = path.substr(0, path.find('.'));
    for (unsigned i = 0; i < owner.length(); i++) {
        auto member = types_.at<std::array<std::uint32_t, 3>>(owner.extra + i * std::uint64_t{kMember}); // name, type, bit offset
        std::uint64_t bits = owner.flag() ? member[2] & 0xffffff : member[2];
        bool bit_field = owner.flag() && member[2] >> 24 != 0;
        std::optional<Place> inner;
        std::string_view name = member[0] ? strings_.text(member[0]) : std::string_view{};
        if (name.empty())
            inner = find_member(member[1], path, depth + 1);
        else if (name == first && first.size() == path.size())
            inner = Place{0, bit_field ? 0 : size_of(member[1])};
        else if (name == first)
            inner = find_member(member[1], path.substr(first.size() + 1), depth + 1);
        if (inner)
            return Place{bits / 8 + inner->offset, inner->bytes};
    }
    return std::nullopt;
}

std::vector<std::uint64_t> Btf::struct_sizes(std::string_view name) const
{
    std::vector<std::uint64_t> sizes;
    for (auto [at, end] = structs_.equal_range(name); at != end; ++at)
        sizes.push_back(type(at->second).size_or_type);
    return sizes;
}

std::vector<Btf::Place> Btf::members(std::string_view struct_name, std::string_view path) const
{
    std::vector<Place> places;
    for (auto [at, end] = structs_.equal_range(struct_name); at != end; ++at)
        if (auto place = find_member(at->second, path, 0))
            places.push_back(*place);
    return places;
}

std::vector<std::int64_t> Btf::constants(std::string_view enum_name, std::string_view constant) const
{
    std::vector<std::int64_t> values;
    for (const Type& owner : all_) {
        if ((owner.kind() != Enum && owner.kind() != Enum64) || (!enum_name.empty() && strings_.text(owner.name) != enum_name))
            continue;
        bool wide = owner.kind() == Enum64;
        for (unsigned i = 0; i < owner.length(); i++) {
            std::uint64_t at = owner.extra + i * std::uint64_t{wide ? kEnumerator64 : kEnumerator};
            if (strings_.text(types_.at<std::uint32_t>(at)) == constant)
                values.push_back(wide ? types_.at<std::int64_t>(at + 4) : types_.at<std::int32_t>(at + 4));
        }
    }
    return values;
}

} // namespace colinux
