// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/elf_image.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"

#include <elf.h>

#include <algorithm>
#include <limits>

namespace colinux {
namespace {

constexpr std::uint64_t kLargestImage = 1ull << 30; // in memory: the kernel mapping's own limit

} // namespace

ElfImage::ElfImage(ByteView file, const std::string& path)
{
    auto damaged = [&](const std::string& why) {
        throw Failure{ExitCode::KernelDamaged, "kernel '" + path + "': damaged: " + why + "; reinstall its package"};
    };
    try {
        auto header = file.at<Elf64_Ehdr>(0);
        if (header.e_phentsize != sizeof(Elf64_Phdr))
            damaged("its program headers have an unknown size");
        phys_start_ = std::numeric_limits<std::uint64_t>::max();
        for (unsigned i = 0; i < header.e_phnum; i++) {
            auto program = file.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
            if (program.p_type != PT_LOAD || program.p_memsz == 0)
                continue;
            if (program.p_filesz > program.p_memsz || program.p_memsz > kLargestImage || program.p_paddr > kLargestImage
                || program.p_vaddr + program.p_memsz - 1 < program.p_vaddr)
                damaged("a program header is out of range");
            segments_.push_back({program.p_vaddr, program.p_paddr, program.p_memsz, file.sub(program.p_offset, program.p_filesz)});
            phys_start_ = std::min<std::uint64_t>(phys_start_, program.p_paddr);
            phys_end_ = std::max<std::uint64_t>(phys_end_, program.p_paddr + program.p_memsz);
        }
        entry_ = header.e_entry;
    } catch (const std::out_of_range& error) {
        damaged(error.what());
    }
    if (segments_.empty())
        damaged("nothing in it is to be loaded");
    if (phys_end_ - phys_start_ > kLargestImage || !is_aligned(phys_start_, 2 << 20))
        damaged("its segments lie at impossible addresses");
    if (!range_inside(entry_, 1, phys_start_, phys_end_ - phys_start_))
        damaged("its entry point lies outside");
}

ElfImage::ElfImage(std::vector<Segment> segments) : segments_{std::move(segments)}
{
    phys_start_ = std::numeric_limits<std::uint64_t>::max();
    for (const Segment& segment : segments_) {
        phys_start_ = std::min(phys_start_, segment.phys);
        phys_end_ = std::max(phys_end_, segment.phys + segment.memory_bytes);
    }
}

std::uint64_t ElfImage::text_virt() const
{
    return std::ranges::min_element(segments_, {}, &Segment::phys)->virt;
}

std::optional<std::uint64_t> ElfImage::virt_to_phys(std::uint64_t virt, std::uint64_t bytes) const
{
    for (const Segment& segment : segments_)
        if (range_inside(virt, bytes, segment.virt, segment.memory_bytes))
            return segment.phys + (virt - segment.virt);
    return std::nullopt;
}

ByteView ElfImage::from(std::uint64_t virt) const
{
    for (const Segment& segment : segments_)
        if (range_inside(virt, 1, segment.virt, segment.contents.size()))
            return segment.contents.sub(virt - segment.virt, segment.contents.size() - (virt - segment.virt));
    return {};
}

std::string find_banner(const ElfImage& image)
{
    constexpr std::string_view kStart = "Linux version ";
    for (const ElfImage::Segment& segment : image.segments()) {
        std::string_view bytes{reinterpret_cast<const char*>(segment.contents.data()), segment.contents.size()};
        for (std::size_t at = bytes.find(kStart); at != std::string_view::npos; at = bytes.find(kStart, at + 1)) {
            std::string_view banner = bytes.substr(at, std::min(bytes.find_first_of(std::string_view{"\n\0", 2}, at), bytes.size()) - at);
            if (banner.size() > kStart.size() && banner[kStart.size()] >= '0' && banner[kStart.size()] <= '9')
                return std::string{banner};
        }
    }
    return {};
}

std::string release_of_banner(const std::string& banner)
{
    constexpr std::size_t kStart = sizeof("Linux version ") - 1;
    return banner.size() < kStart ? "" : banner.substr(kStart, banner.find(' ', kStart) - kStart);
}

} // namespace colinux
