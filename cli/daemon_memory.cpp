// SPDX-License-Identifier: GPL-2.0
#include "cli/daemon_memory.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace colinux {

std::uint64_t own_bytes(std::istream& smaps)
{
    constexpr std::string_view kGuestRam = "anon_inode:colinux-guest"; // the driver's name for the guest's file
    std::uint64_t kib = 0;
    bool is_guest_ram = false;
    for (std::string line; std::getline(smaps, line);) {
        std::istringstream words{line};
        std::string first;
        words >> first;
        if (!first.ends_with(':')) // "ADDRESS-ADDRESS PERMISSIONS OFFSET DEVICE INODE NAME" begins each mapping
            is_guest_ram = line.ends_with(kGuestRam);
        std::uint64_t value = 0;
        if (!is_guest_ram && first == "Anonymous:" && words >> value)
            kib += value;
    }
    return kib * 1024;
}

std::optional<std::uint64_t> own_bytes_of(pid_t pid)
{
    std::ifstream smaps{"/proc/" + std::to_string(pid) + "/smaps"};
    if (!smaps || smaps.peek() == std::ifstream::traits_type::eof())
        return {};
    return own_bytes(smaps);
}

} // namespace colinux
