// SPDX-License-Identifier: GPL-2.0
#include "vmm/machine_inputs.hpp"

#include "control/failure.hpp"
#include "vmm/devices/block_device.hpp"
#include "vmm/devices/entropy_device.hpp"
#include "vmm/devices/net_device.hpp"
#include "vmm/devices/slirp_backend.hpp"
#include "vmm/devices/tap_backend.hpp"
#include "vmm/devices/virtio_console.hpp"
#include "vmm/loader/boot.hpp"
#include "vmm/loader/kernel_check.hpp"

namespace colinux {

namespace {

using Devices = std::vector<std::unique_ptr<VirtioDevice>>;

std::unique_ptr<NetBackend> make_backend(const NetConfig& net)
{
    if (net.tap.empty())
        return std::make_unique<SlirpBackend>(net);
    return std::make_unique<TapBackend>(net.tap);
}

Devices make_devices(const MachineConfig& config, const ConsoleOutput& second_console)
{
    Devices devices;
    for (const DiskConfig& disk : config.disks)
        devices.push_back(std::make_unique<BlockDevice>("cobd" + std::to_string(devices.size()), DiskFile::open(disk)));
    for (unsigned card = 0; card < config.nets.size(); card++)
        devices.push_back(std::make_unique<NetDevice>("conet" + std::to_string(card), stable_mac_address(config.name, card),
                                                      make_backend(config.nets[card])));
    devices.push_back(std::make_unique<EntropyDevice>());
    devices.push_back(std::make_unique<VirtioConsole>(second_console));
    return devices;
}

} // namespace

MachineInputs::MachineInputs(const MachineConfig& config, const ConsoleOutput& second_console)
    : devices{make_devices(config, second_console)},
      kernel{read_kernel_file(config.kernel, KernelCache::of_this_host())},
      graft{find_graft(KernelImage::from(kernel, config.kernel).release())},
      config_{config}
{
    if (!config.initrd.empty())
        initrd_ = open_to_read(config.initrd, "initrd", ExitCode::InitrdUnfit);
    initrd();
}

std::vector<std::byte> MachineInputs::initrd() const
{
    return initrd_ ? read_initrd(initrd_.get(), config_.initrd) : std::vector<std::byte>{};
}

} // namespace colinux
