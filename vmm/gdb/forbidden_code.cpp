// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/forbidden_code.hpp"

#include <algorithm>

namespace colinux {

ForbiddenCode::ForbiddenCode(const GuestKernel& kernel)
{
    static constexpr std::pair<const char*, const char*> kSections[] = {{"__entry_text_start", "__entry_text_end"},
                                                                        {"__noinstr_text_start", "__noinstr_text_end"},
                                                                        {"__kprobes_text_start", "__kprobes_text_end"}};
    for (const auto& [start, end] : kSections)
        if (auto first = kernel.address(start), last = kernel.address(end); first && last)
            ranges_.emplace_back(*first, *last);
    // Runs where it lies in physical memory
    for (const char* name : {"startup_64", "secondary_startup_64", "secondary_startup_64_no_verify", "verify_cpu", "__startup_64",
                             "startup_64_setup_env", "startup_64_setup_gdt_idt", "sme_enable"})
        if (auto function = kernel.address(name))
            ranges_.push_back(kernel.extent(*function));
    for (std::uint64_t function : kernel.words("__start_kprobe_blacklist", "__stop_kprobe_blacklist"))
        if (Range range = kernel.extent(function); range.first == function)
            ranges_.push_back(range);
}

bool ForbiddenCode::holds(std::uint64_t address) const
{
    return std::ranges::any_of(ranges_, [&](const Range& range) { return address >= range.first && address < range.second; });
}

} // namespace colinux
