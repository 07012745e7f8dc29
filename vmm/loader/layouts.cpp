// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/layouts.hpp"

#include "control/failure.hpp"

#include <algorithm>
#include <cstring>

namespace colinux {
namespace {

template <std::size_t N>
std::string_view text_of(const char (&field)[N])
{
    return {field, strnlen(field, N)};
}

// What the kernel says about one entry: nothing = as the graft expects, else the difference.
std::string difference(const Btf& types, const co_graft_layout& expected)
{
    constexpr std::string_view kEnum = "enum ";
    std::string_view owner = text_of(expected.struct_name), member = text_of(expected.member);
    const std::string wanted = ", the graft expects ";
    if (owner.starts_with("enum")) {
        auto values = types.constants(owner.substr(std::min(owner.size(), kEnum.size())), member);
        if (values.empty())
            return "does not exist" + wanted + std::to_string(expected.offset);
        if (std::ranges::none_of(values, [&](std::int64_t value) { return static_cast<std::uint32_t>(value) == expected.offset; }))
            return "is " + std::to_string(values.front()) + wanted + std::to_string(expected.offset);
        return {};
    }
    if (member.empty()) {
        auto sizes = types.struct_sizes(owner);
        if (sizes.empty())
            return "does not exist";
        if (std::ranges::find(sizes, expected.size) == sizes.end())
            return "has " + std::to_string(sizes.front()) + " bytes" + wanted + std::to_string(expected.size);
        return {};
    }
    auto places = types.members(owner, member);
    if (places.empty())
        return "does not exist" + wanted + "it at byte " + std::to_string(expected.offset);
    auto fits = [&](const Btf::Place& place) {
        return place.offset == expected.offset && (expected.size == 0 || place.bytes == 0 || place.bytes == expected.size);
    };
    if (std::ranges::none_of(places, fits))
        return "lies at byte " + std::to_string(places.front().offset) + " with " + std::to_string(places.front().bytes) + " bytes" + wanted
               + std::to_string(expected.offset) + " with " + std::to_string(expected.size);
    return {};
}

} // namespace

void verify_layouts(const KernelImage& kernel, const GraftObject& graft)
{
    auto refuse = [&](const std::string& why) {
        throw Failure{ExitCode::NoGraft, "graft '" + graft.path() + "' does not fit kernel '" + kernel.path() + "': " + why
                                             + "; build it from this kernel's own headers: `colinux graft build`"};
    };
    if (graft.release() != kernel.release())
        refuse("it is for " + graft.release() + ", the kernel is " + kernel.release());
    try {
        for (const co_graft_layout& expected : graft.layouts()) {
            std::string member{text_of(expected.member)};
            if (std::string why = difference(kernel.types(), expected); !why.empty())
                refuse(std::string{text_of(expected.struct_name)} + (member.empty() ? "" : "." + member) + " " + why);
        }
    } catch (const std::out_of_range& error) {
        throw Failure{ExitCode::KernelDamaged, "kernel '" + kernel.path() + "': its type information is damaged: " + error.what()};
    }
}

} // namespace colinux
