// SPDX-License-Identifier: GPL-2.0
// MachineInputs: everything that a guest is made from, opened and checked before the driver is asked for
// anything: so a wrong file name costs nothing and leaves nothing behind. A guest that reboots is made from them again: whatever became
// of the files' names meanwhile.
#pragma once

#include "control/config.hpp"
#include "control/unique_fd.hpp"
#include "vmm/devices/console_endpoint.hpp"
#include "vmm/devices/disk_overlay.hpp"
#include "vmm/devices/memory_device.hpp"
#include "vmm/devices/vsock_device.hpp"
#include "vmm/loader/graft_object.hpp"
#include "vmm/loader/kernel_image.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace colinux {

struct MachineInputs {
    // Failure: whatever is wrong with disks, ports, kernel, graft or initrd, the first one found.
    // `second_console` gets what the guest prints on /dev/hvc1, `log` what devices have to say.
    MachineInputs(const MachineConfig& config, const ConsoleOutput& second_console, const DiskOverlay::Notice& log);

    std::vector<std::unique_ptr<VirtioDevice>> devices; // disks first, so that the first one is /dev/vda
    VsockDevice* vsock; // one of them, wherever it is
    MemoryDevice* memory; // likewise

private:
    const MachineConfig& config_;
    KernelFile kernel_;                  // a mapping of the cache's file, nearly always
    std::optional<KernelImage> checked_; // for the first boot: its symbols cost a fifth of a start

public:
    GraftObject graft;

    // What the next boot is made from; large, so nothing here keeps them once it is said that they are loaded.
    KernelImage kernel_image();
    std::vector<std::byte> initrd(); // may be empty
    void loaded() const;

private:
    UniqueFd initrd_file_;
    std::optional<std::vector<std::byte>> checked_initrd_;
};

} // namespace colinux
