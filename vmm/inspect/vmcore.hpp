// SPDX-License-Identifier: GPL-2.0
// A guest's memory as an ELF core file, as the kernel's own crash dumps are (/proc/vmcore), so that `crash` and gdb open
// it with the kernel's debug symbols:
//
//   ELF header | program headers | notes: NT_PRSTATUS per CPU, VMCOREINFO | each run of guest RAM, its zero pages as holes
//
// p_paddr is the machine-physical address, p_vaddr its place in the guest's direct map.
#pragma once

#include "vmm/dump_progress.hpp"
#include "control/guest_memory.hpp"
#include "vmm/inspect/guest_kernel.hpp"

#include <colinux/passage.h>

#include <vector>

namespace colinux {

struct VmcoreSource {
    const GuestKernel& kernel;
    const GuestMemory& memory;
    const std::vector<co_passage>& passages; // of each vCPU
};

// Writes to `fd`, a new regular file. The guest stands still. False: `progress` said stop. Throws std::system_error.
bool write_vmcore(int fd, const VmcoreSource& source, const DumpProgress& progress);

} // namespace colinux
