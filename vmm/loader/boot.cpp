// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/boot.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"
#include "vmm/loader/boot_params.hpp"
#include "vmm/loader/decompress.hpp"
#include "vmm/loader/fixups.hpp"
#include "vmm/loader/graft_linker.hpp"
#include "vmm/loader/layouts.hpp"
#include "vmm/loader/page_tables.hpp"
#include "vmm/loader/placement.hpp"

#include <colinux/boot_info.h>
#include <colinux/passage.h>
#include <colinux/transport.h>

#include <algorithm>
#include <cstring>

namespace colinux {
namespace {

constexpr std::uint32_t kRingBytes = 64 << 10, kInputBytes = 4096;
constexpr unsigned kDebugVector = 1, kNmiVector = 2, kBreakpointVector = 3, kMachineCheckVector = 18, kEarlyGates = 20;

std::uint64_t image_bytes(const KernelImage& kernel)
{
    return align_up(kernel.elf().phys_end() - kernel.elf().phys_start(), CO_BLOCK_SIZE);
}

void copy_segments(const KernelImage& kernel, std::uint64_t phys, const GuestMemory& memory)
{
    std::byte* start = memory.translate(phys, image_bytes(kernel));
    for (const ElfImage::Segment& segment : kernel.elf().segments()) {
        std::byte* place = start + (segment.phys - kernel.elf().phys_start());
        std::memcpy(place, segment.contents.data(), segment.contents.size());
        std::memset(place + segment.contents.size(), 0, segment.memory_bytes - segment.contents.size());
    }
}

std::uint64_t make_console_ring(Window& window)
{
    std::uint64_t phys = window.allocate(sizeof(co_console_ring) + kRingBytes + kInputBytes);
    co_console_ring ring{};
    ring.size = kRingBytes;
    ring.input_size = kInputBytes;
    ring.input_offset = sizeof(co_console_ring) + kRingBytes;
    ring.rows = 24;
    ring.columns = 80;
    std::memcpy(window.at(phys), &ring, sizeof(ring));
    return phys;
}

std::uint64_t make_transport(Window& window, std::uint32_t devices)
{
    std::uint64_t phys = window.allocate(sizeof(co_transport) + devices * sizeof(co_device));
    co_transport transport{};
    transport.magic = CO_TRANSPORT_MAGIC;
    transport.version = CO_TRANSPORT_VERSION;
    transport.devices = devices;
    std::memcpy(window.at(phys), &transport, sizeof(transport));
    return phys;
}

// Interrupt gates for the time before the kernel's own IDT; all other vectors stay absent.
void fill_early_idt(const LinkedGraft& graft, const Window& window)
{
    std::byte* idt = window.at(window.to_phys(graft.address("co_early_idt")));
    write_gate(idt + kDebugVector * 16, graft.address("co_early_debug"));
    write_gate(idt + kBreakpointVector * 16, graft.address("co_early_breakpoint"));
    write_gate(idt + kNmiVector * 16, graft.address("co_early_nmi"));
    write_gate(idt + kMachineCheckVector * 16, graft.address("co_early_mce"));
}

void fill_boot_info(const LinkedGraft& graft, const Window& window, const BootParameters& parameters, const LoadedKernel& loaded)
{
    co_boot_info info{};
    info.magic = CO_BOOT_INFO_MAGIC;
    info.version = CO_BOOT_INFO_VERSION;
    info.vcpus = parameters.vcpus;
    info.tsc_khz = parameters.tsc_khz;
    info.host_xcr0 = parameters.host_xcr0;
    info.graft_phys = window.phys();
    info.console_ring = loaded.console_ring_phys;
    info.transport = loaded.transport_phys;
    info.flags = parameters.debugger ? CO_BOOT_DEBUGGER : 0;
    info.multi_cpu_ok = loaded.multi_cpu_ok;
    info.passages = parameters.passage_virt;
    std::memcpy(window.at(window.to_phys(graft.address("co_boot_info"))), &info, sizeof(info));
}

} // namespace

std::uint64_t contiguous_bytes_needed(const KernelImage& kernel, std::uint64_t initrd_bytes)
{
    return image_bytes(kernel) + CO_GRAFT_BYTES + align_up(initrd_bytes, CO_BLOCK_SIZE);
}

std::vector<std::byte> read_initrd(const std::string& path)
{
    return read_initrd(open_to_read(path, "initrd", ExitCode::InitrdUnfit).get(), path);
}

std::vector<std::byte> read_initrd(int fd, const std::string& path)
{
    std::vector<std::byte> bytes = read_whole_file(fd, path, "initrd", ExitCode::InitrdUnfit);
    constexpr std::string_view kCpio = "07070";
    bool cpio = bytes.size() >= kCpio.size() && std::memcmp(bytes.data(), kCpio.data(), kCpio.size()) == 0;
    if (!cpio && compression_format(ByteView{bytes}).empty())
        throw Failure{ExitCode::InitrdUnfit, "initrd '" + path + "': neither a cpio archive nor a compressed one; give the kernel's initrd.img"};
    return bytes;
}

LoadedKernel load_kernel(const KernelImage& kernel, const GraftObject& object, std::span<const std::byte> initrd,
                         const BootParameters& parameters, GuestMemory& memory)
{
    verify_layouts(kernel, object);
    LinkedGraft graft = link_graft(object, [&](std::string_view name) { return kernel.resolve(name); });
    Placement place = place_kernel(memory, image_bytes(kernel), initrd.size(), kernel.path());
    LoadedKernel loaded{};
    loaded.release = kernel.release();
    loaded.command_line = full_command_line(parameters.command_line);
    loaded.kernel_phys = place.kernel;
    loaded.graft_phys = place.graft;

    loaded.graft_symbols = graft.addresses;
    loaded.graft_text_bytes = graft.text_bytes;
    for (const ElfImage::Segment& segment : kernel.elf().segments())
        loaded.segments.push_back({segment.virt, place.kernel + (segment.phys - kernel.elf().phys_start()), segment.memory_bytes,
                                   segment.contents.size()});

    copy_segments(kernel, place.kernel, memory);
    if (!initrd.empty())
        std::memcpy(memory.translate(place.initrd, initrd.size()), initrd.data(), initrd.size());
    Window window{memory, place.graft, graft};
    loaded.multi_cpu_ok = apply_fixups(graft, {kernel, place.kernel, memory, window});
    if (parameters.vcpus > 1 && !loaded.multi_cpu_ok)
        throw Failure{ExitCode::CpuCount, "kernel '" + kernel.path() + "': its locks cannot be made safe for several CPUs; use --cpus 1"};

    loaded.passage.table_phys = window.passage_table_phys();
    fill_early_idt(graft, window);
    loaded.console_ring_phys = make_console_ring(window);
    loaded.transport_phys = make_transport(window, parameters.devices);
    fill_boot_info(graft, window, parameters, loaded);
    BootData data{kernel.setup_header(), loaded.command_line, place.initrd, initrd.size()};
    std::uint64_t boot_params = write_boot_params(window, memory, data);

    InitialPageTables tables{window, parameters.five_levels};
    tables.map_identity(place.kernel, image_bytes(kernel));
    tables.map_identity(place.graft, CO_GRAFT_BYTES);
    tables.map_table(CO_GRAFT_VIRT, window.page_table_phys());
    tables.map_table(CO_PASSAGE_VIRT, window.passage_table_phys());

    loaded.entry.rip = graft.address("co_entry");
    loaded.entry.rsp = window.stack_top_virt();
    loaded.entry.cr3 = tables.root();
    loaded.entry.rdi = place.kernel + (kernel.elf().entry() - kernel.elf().phys_start());
    loaded.entry.rsi = boot_params;
    loaded.entry.idt_base = graft.address("co_early_idt");
    loaded.entry.idt_limit = kEarlyGates * 16 - 1;
    return loaded;
}

} // namespace colinux
