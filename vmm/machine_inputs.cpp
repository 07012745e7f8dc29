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

Devices make_devices(const MachineConfig& config, const ConsoleOutput& second_console, const DiskOverlay::Notice& log)
{
    Devices devices;
    for (const DiskConfig& disk : config.disks)
        devices.push_back(std::make_unique<BlockDevice>("cobd" + std::to_string(devices.size()), DiskFile::open(disk), "", DiskEngine::Best, log));
    for (unsigned card = 0; card < config.nets.size(); card++)
        devices.push_back(std::make_unique<NetDevice>("conet" + std::to_string(card), stable_mac_address(config.name, card),
                                                      make_backend(config.nets[card])));
    devices.push_back(std::make_unique<EntropyDevice>());
    devices.push_back(std::make_unique<VirtioConsole>(second_console));
    return devices;
}

VsockDevice* add_vsock(Devices& devices, const std::string& name)
{
    auto device = std::make_unique<VsockDevice>(name);
    VsockDevice* vsock = device.get();
    devices.push_back(std::move(device));
    return vsock;
}

// The last one: the others' numbers stay what they are without it.
MemoryDevice* add_memory(Devices& devices)
{
    auto device = std::make_unique<MemoryDevice>();
    MemoryDevice* memory = device.get();
    devices.push_back(std::move(device));
    return memory;
}

} // namespace

MachineInputs::MachineInputs(const MachineConfig& config, const ConsoleOutput& second_console, const DiskOverlay::Notice& log)
    : devices{make_devices(config, second_console, log)},
      vsock{add_vsock(devices, config.name)},
      memory{add_memory(devices)},
      config_{config},
      kernel_{read_kernel_file(config.kernel, KernelCache::of_this_host())},
      checked_{KernelImage::from(kernel_, config.kernel)},
      graft{find_graft(checked_->release())}
{
    if (config.initrd.empty())
        return;
    initrd_file_ = open_to_read(config.initrd, "initrd", ExitCode::InitrdUnfit);
    checked_initrd_ = read_initrd(initrd_file_.get(), config.initrd);
}

KernelImage MachineInputs::kernel_image()
{
    if (!checked_) {
        if (kernel_.cached && !kernel_.cached->fetch())
            throw Failure{ExitCode::KernelMissing, "kernel '" + config_.kernel + "': its unpacked copy in the cache cannot be read; look at that disk"};
        return KernelImage::from(kernel_, config_.kernel);
    }
    KernelImage image = std::move(*checked_);
    checked_.reset();
    return image;
}

void MachineInputs::loaded() const
{
    if (kernel_.cached)
        kernel_.cached->let_go();
}

std::vector<std::byte> MachineInputs::initrd()
{
    if (!checked_initrd_)
        return initrd_file_ ? read_initrd(initrd_file_.get(), config_.initrd) : std::vector<std::byte>{};
    std::vector<std::byte> initrd = std::move(*checked_initrd_);
    checked_initrd_.reset();
    return initrd;
}

} // namespace colinux
