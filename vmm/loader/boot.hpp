// SPDX-License-Identifier: GPL-2.0
// The loader's last step: kernel, graft, initrd and boot data are placed in guest memory, so that the first
// vCPU can be started. boot.cpp is the table of contents of all that happens to a kernel.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/loader/graft_object.hpp"
#include "vmm/loader/kernel_image.hpp"

#include <colinux/abi.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace colinux {

struct BootParameters {
    std::string command_line;      // the user's part
    std::uint32_t vcpus = 1;
    std::uint32_t devices = 0;     // pages of struct co_device behind the transport page
    std::uint64_t tsc_khz = 0;
    std::uint64_t host_xcr0 = 0;
    std::uint64_t passage_virt = 0; // GuestFile::passage_virt()
    bool five_levels = false;      // the host runs with CR4.LA57
    bool debugger = false;         // CO_BOOT_DEBUGGER
};

struct LoadedKernel {
    struct Segment { // of the image, where it lies now
        std::uint64_t virt, phys;
        std::uint64_t memory_bytes, file_bytes; // what lies behind file_bytes began as zeros
    };

    co_vcpu_entry entry;              // CO_SET_ENTRY of vCPU 0
    co_set_passage passage;           // CO_SET_PASSAGE
    std::uint64_t console_ring_phys;  // struct co_console_ring, initialised
    std::uint64_t transport_phys;     // struct co_transport, initialised; device pages zeroed
    std::uint64_t kernel_phys;        // where the image starts: link-time physical 0x1000000
    std::uint64_t graft_phys;         // the window
    std::vector<Segment> segments;
    std::map<std::string, std::uint64_t, std::less<>> graft_symbols; // virtual
    std::uint64_t graft_text_bytes;   // from CO_GRAFT_VIRT on: the graft's code
    std::string release;
    std::string command_line;         // as the kernel sees it
    bool multi_cpu_ok;                // every hook that several vCPUs need fits this kernel
};

// How much must lie in one physically contiguous run (co_allocate_memory.contiguous); a multiple of CO_BLOCK_SIZE.
std::uint64_t contiguous_bytes_needed(const KernelImage& kernel, std::uint64_t initrd_bytes);

// The whole file. Failure InitrdUnfit when it is missing or no initramfs.
std::vector<std::byte> read_initrd(const std::string& path);
std::vector<std::byte> read_initrd(int fd, const std::string& path); // opened before; `path` serves messages only

// `initrd` may be empty. `memory` is written to; whatever it held in these places is lost. Failure: NoGraft, KernelUnfit,
// KernelDamaged, CpuCount (several vCPUs and !multi_cpu_ok), MemoryNotFound (no run is large enough), Usage (command line).
LoadedKernel load_kernel(const KernelImage& kernel, const GraftObject& graft, std::span<const std::byte> initrd,
                         const BootParameters& parameters, GuestMemory& memory);

} // namespace colinux
