// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/boot_params.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"

#include <asm/bootparam.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace colinux {
namespace {

constexpr std::size_t kCommandLineLimit = 2048; // COMMAND_LINE_SIZE of x86, with its NUL

// Keeps a guest kernel off the hardware where the graft's filters do not reach (DESIGN, section 4.5).
constexpr std::string_view kRequired =
    "acpi=off pci=off dis_ucode_ldr mce=off nopv tsc=reliable no_timer_check nowatchdog hpet=disable "
    "initcall_blacklist=init_hw_perf_events intel_pstate=disable nohibernate "
    // They try ports without asking the kernel whose these are (graft/resources.c)
    "module_blacklist=ct82c710,dme1737,hgafb,machzwd,pata_legacy,pc87360,sch311x_wdt,tlclk,tpm_atmel,tpm_nsc";
// The self-tests of the kernel's RSA were two thirds of a boot: 860 of 1,320 million instructions of Debian's cloud kernel. They look
// for broken hardware and compilers, and the host has made them. `fips=1` makes the kernel do them all the same.
constexpr std::string_view kPreferred = " cryptomgr.notests";

constexpr std::uint32_t kRam = 1, kReserved = 2; // e820 types
constexpr std::uint64_t kFirstMegabyte = 1 << 20;

// The reserved first megabyte comes always: Linux ignores a map with fewer than two entries.
std::vector<boot_e820_entry> memory_map(const GuestMemory& memory)
{
    std::vector<boot_e820_entry> map{{0, kFirstMegabyte, kReserved}};
    for (const GuestMemory::Range& range : memory.ranges())
        map.push_back({range.phys, range.bytes, kRam});
    return map;
}

// The entries behind the zero page's 128; 0 when there are none.
std::uint64_t write_extension(Window& window, std::span<const boot_e820_entry> entries)
{
    if (entries.empty())
        return 0;
    setup_data header{.next = 0, .type = SETUP_E820_EXT, .len = static_cast<std::uint32_t>(entries.size_bytes())};
    std::uint64_t phys = window.allocate(sizeof(header) + entries.size_bytes());
    std::memcpy(window.at(phys), &header, sizeof(header));
    std::memcpy(window.at(phys) + sizeof(header), entries.data(), entries.size_bytes());
    return phys;
}

setup_header start_header(ByteView from_file)
{
    setup_header header{};
    header.boot_flag = 0xaa55;
    header.header = 0x53726448; // "HdrS"
    header.version = 0x20f;
    std::memcpy(&header, from_file.data() ? from_file.data() : reinterpret_cast<const std::byte*>(&header),
                std::min<std::uint64_t>(from_file.data() ? from_file.size() : 0, sizeof(header)));
    header.type_of_loader = 0xff;
    header.loadflags = LOADED_HIGH; // neither KASLR_FLAG nor a heap: the decompressor never runs
    return header;
}

} // namespace

std::string full_command_line(const std::string& user)
{
    std::string line{kRequired};
    line += kPreferred;
    if (user.find("lockdown=") == std::string::npos)
        line += " lockdown=integrity";
    if (!user.empty())
        line += " " + user;
    if (line.size() >= kCommandLineLimit)
        throw Failure{ExitCode::Usage, "kernel command line: " + std::to_string(user.size()) + " bytes are too many; shorten --append by "
                                           + std::to_string(line.size() - kCommandLineLimit + 1)};
    return line;
}

std::uint64_t write_boot_params(Window& window, const GuestMemory& memory, const BootData& data)
{
    boot_params params{};
    params.hdr = start_header(data.setup_header);

    std::uint64_t line = window.allocate(data.command_line.size() + 1);
    std::memcpy(window.at(line), data.command_line.c_str(), data.command_line.size() + 1);
    params.hdr.cmd_line_ptr = static_cast<std::uint32_t>(line);
    params.ext_cmd_line_ptr = static_cast<std::uint32_t>(line >> 32);
    params.hdr.ramdisk_image = static_cast<std::uint32_t>(data.initrd_phys);
    params.ext_ramdisk_image = static_cast<std::uint32_t>(data.initrd_phys >> 32);
    params.hdr.ramdisk_size = static_cast<std::uint32_t>(data.initrd_bytes);
    params.ext_ramdisk_size = static_cast<std::uint32_t>(data.initrd_bytes >> 32);

    std::vector<boot_e820_entry> map = memory_map(memory);
    std::size_t direct = std::min<std::size_t>(map.size(), E820_MAX_ENTRIES_ZEROPAGE);
    std::copy_n(map.begin(), direct, params.e820_table);
    params.e820_entries = static_cast<std::uint8_t>(direct);
    params.hdr.setup_data = write_extension(window, std::span{map}.subspan(direct));

    std::uint64_t phys = window.allocate(sizeof(params));
    std::memcpy(window.at(phys), &params, sizeof(params));
    return phys;
}

} // namespace colinux
