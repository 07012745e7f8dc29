// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/guest_kernel.hpp"

#include <colinux/boot_info.h>

#include <algorithm>
#include <stdexcept>

namespace colinux {

namespace {

constexpr std::uint64_t kModulesStart = 0xffff'ffff'c000'0000, kModulesEnd = 0xffff'ffff'ff00'0000; // mm.rst
constexpr std::uint64_t kKernelMap = 0xffff'ffff'8000'0000; // __START_KERNEL_map

ElfImage image_in(const LoadedKernel& loaded, const GuestMemory& memory)
{
    std::vector<ElfImage::Segment> segments;
    for (const LoadedKernel::Segment& segment : loaded.segments)
        segments.push_back({segment.virt, segment.phys, segment.memory_bytes,
                            ByteView{{memory.translate(segment.phys, segment.file_bytes), segment.file_bytes}}});
    return ElfImage{std::move(segments)};
}

} // namespace

GuestKernel::GuestKernel(const LoadedKernel& loaded, const GuestMemory& memory)
    : loaded_{loaded}, memory_{memory}, image_{image_in(loaded, memory)}, symbols_{Kallsyms::decode(image_)}
{
    text_start_ = image_.text_virt();
    text_end_ = address("_etext").value_or(text_start_ + image_.segments().front().memory_bytes);
    std::uint64_t end = text_start_;
    for (const ElfImage::Segment& segment : image_.segments())
        end = std::max(end, segment.virt + segment.memory_bytes);
    static const std::vector<Kallsyms::Symbol> kNone;
    names_.emplace(symbols_ ? symbols_->symbols() : kNone, text_start_, end, loaded.graft_symbols);
    try {
        orc_.emplace(between("__start_orc_unwind_ip", "__stop_orc_unwind_ip"), address("__start_orc_unwind_ip").value_or(0),
                     between("__start_orc_unwind", "__stop_orc_unwind"));
        types_.emplace(between("__start_BTF", "__stop_BTF"));
    } catch (const std::out_of_range&) {
        // absent or damaged
    }
}

bool GuestKernel::in_graft(std::uint64_t address) const
{
    return address >= CO_GRAFT_VIRT && address - CO_GRAFT_VIRT < loaded_.graft_text_bytes;
}

bool GuestKernel::is_code(std::uint64_t address) const
{
    return in_text(address) || in_graft(address) || (address >= kModulesStart && address < kModulesEnd);
}

std::string GuestKernel::describe(std::uint64_t address, bool returns) const
{
    if (address >= kModulesStart && address < kModulesEnd)
        return "[module]";
    return names_->describe(address, returns);
}

std::optional<std::uint64_t> GuestKernel::address(std::string_view symbol) const
{
    return symbols_ ? symbols_->address(symbol) : std::nullopt;
}

std::optional<std::uint64_t> GuestKernel::offset(std::string_view struct_name, std::string_view member) const
{
    if (!types_)
        return std::nullopt;
    std::vector<Btf::Place> places = types_->members(struct_name, member);
    return places.empty() ? std::nullopt : std::optional{places.front().offset};
}

std::byte* GuestKernel::find_variable(std::string_view symbol, std::uint64_t bytes) const
{
    std::optional<std::uint64_t> virt = address(symbol);
    std::optional<std::uint64_t> phys = virt ? image_.virt_to_phys(*virt, bytes) : std::nullopt;
    return phys ? memory_.translate(*phys, bytes) : nullptr;
}

std::optional<GuestPages> GuestKernel::pages(bool five_levels) const
{
    std::optional<std::uint64_t> virt = address("init_top_pgt");
    std::optional<std::uint64_t> phys = virt ? image_.virt_to_phys(*virt, 4096) : std::nullopt;
    return phys ? std::optional{GuestPages{memory_, *phys, five_levels}} : std::nullopt;
}

std::vector<std::uint64_t> GuestKernel::words(std::string_view start, std::string_view stop) const
{
    std::optional<std::uint64_t> from = address(start), to = address(stop);
    std::optional<std::uint64_t> phys = from && to && *to > *from ? image_.virt_to_phys(*from, *to - *from) : std::nullopt;
    const std::byte* place = phys ? memory_.translate(*phys, *to - *from) : nullptr;
    std::vector<std::uint64_t> all(place ? (*to - *from) / 8 : 0);
    if (!all.empty())
        std::memcpy(all.data(), place, all.size() * 8);
    return all;
}

std::uint64_t GuestKernel::physical_shift() const { return loaded_.kernel_phys - (text_start_ - kKernelMap); }

ByteView GuestKernel::between(std::string_view start, std::string_view stop) const
{
    std::optional<std::uint64_t> from = address(start), to = address(stop);
    if (!from || !to || *to < *from)
        throw std::out_of_range{"the kernel has no such table"};
    return image_.from(*from).sub(0, *to - *from);
}

} // namespace colinux
