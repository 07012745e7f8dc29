// SPDX-License-Identifier: GPL-2.0
// The zero page: how a Linux kernel is told its memory map, initrd and command line
// (Documentation/arch/x86/zero-page.rst).
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/loader/byte_view.hpp"
#include "vmm/loader/window.hpp"

#include <cstdint>
#include <string>

namespace colinux {

// The user's words behind those that every guest needs. Failure Usage when it is longer than the kernel reads.
std::string full_command_line(const std::string& user);

struct BootData {
    ByteView setup_header; // of the bzImage; empty for a plain ELF file
    std::string command_line;
    std::uint64_t initrd_phys, initrd_bytes; // 0, 0 = none
};

// Writes zero page, command line and, where there are more than 128 ranges, the e820 extension into the
// window; returns the zero page's physical address.
std::uint64_t write_boot_params(Window& window, const GuestMemory& memory, const BootData& data);

} // namespace colinux
