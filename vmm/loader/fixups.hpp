// SPDX-License-Identifier: GPL-2.0
// Fixups: the words and the few instructions of the *loaded copy* of a kernel that the graft asks the
// loader to change (CO_FIXUP_* in include/colinux/graft_object.h). The file is never changed.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/loader/kernel_image.hpp"
#include "vmm/loader/window.hpp"

#include <cstddef>
#include <cstdint>

namespace colinux {

// Where an image lies in guest memory; finds the bytes at its link-time virtual addresses.
struct PlacedKernel {
    const KernelImage& image;
    std::uint64_t phys; // where its phys_start() was put
    const GuestMemory& memory;
    const Window& window;

    // nullptr when [virt, virt + bytes) is neither kernel nor graft.
    std::byte* at(std::uint64_t virt, std::uint64_t bytes) const;
};

// Applies all of them. True when every hook that several vCPUs need was in order. Failure KernelUnfit, by
// name, when another one was not.
bool apply_fixups(const LinkedGraft& graft, const PlacedKernel& kernel);

// Writes a 64-bit interrupt gate to `handler`: CS 0x10, DPL 0, IST 0 (SDM volume 3, figure 6-8), 16 bytes.
void write_gate(std::byte* place, std::uint64_t handler);

} // namespace colinux
