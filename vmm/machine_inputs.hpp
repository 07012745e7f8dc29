// SPDX-License-Identifier: GPL-2.0
// MachineInputs: everything that a guest is made from, opened and checked before the driver is asked for
// anything: so a wrong file name costs nothing and leaves nothing behind.
#pragma once

#include "control/config.hpp"
#include "vmm/devices/console_endpoint.hpp"
#include "vmm/loader/graft_object.hpp"
#include "vmm/loader/kernel_image.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace colinux {

struct MachineInputs {
    // Failure: whatever is wrong with disks, ports, kernel, graft or initrd, the first one found.
    // `second_console` gets what the guest prints on /dev/hvc1.
    MachineInputs(const MachineConfig& config, const ConsoleOutput& second_console);

    std::vector<std::unique_ptr<VirtioDevice>> devices; // disks first, so that the first one is /dev/vda
    KernelImage kernel;
    GraftObject graft;
    std::vector<std::byte> initrd; // may be empty
};

} // namespace colinux
