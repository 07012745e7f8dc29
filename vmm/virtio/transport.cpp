// SPDX-License-Identifier: GPL-2.0
// Transport: the pages and the way to each slot.
#include "vmm/virtio/transport.hpp"

#include "control/failure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>

namespace colinux {

std::uint64_t Transport::bytes_needed(std::size_t devices) { return sizeof(co_transport) + devices * sizeof(co_device); }

Transport::Transport(const GuestMemory& memory, std::uint64_t phys,
                     std::vector<std::unique_ptr<VirtioDevice>> devices, LogLine log)
{
    if (devices.size() > CO_MAX_DEVICES)
        throw Failure{ExitCode::Usage, std::to_string(devices.size()) + " devices asked for: a guest has at most " +
                                           std::to_string(CO_MAX_DEVICES)};
    std::byte* base = memory.translate(phys, bytes_needed(devices.size()));
    if (!base || phys % sizeof(co_transport))
        throw Failure{ExitCode::Internal, "the transport pages are not in guest memory"};
    std::memset(base, 0, bytes_needed(devices.size()));

    auto* header = reinterpret_cast<co_transport*>(base);
    header->magic = CO_TRANSPORT_MAGIC;
    header->version = CO_TRANSPORT_VERSION;
    header->devices = static_cast<co_u32>(devices.size());

    auto* page = reinterpret_cast<co_device*>(base + sizeof(co_transport));
    for (auto& device : devices) {
        auto number = static_cast<unsigned>(slots_.size() + 1);
        slots_.push_back(std::make_unique<DeviceSlot>(memory, page++, number, std::move(device), log));
    }
}

void Transport::bind(LineBinder& binder) const
{
    for (unsigned i = 0; i < slots_.size(); i++) {
        binder.bind_doorbell(i + 1, slots_[i]->doorbell_fd());
        binder.bind_irq_line(i + 1, slots_[i]->irq_fd());
    }
}

void Transport::start()
{
    std::ranges::for_each(slots_, [](auto& slot) { slot->start(); });
}

void Transport::stop()
{
    std::ranges::for_each(slots_, [](auto& slot) { slot->stop(); });
}

std::vector<std::unique_ptr<VirtioDevice>> Transport::release()
{
    std::vector<std::unique_ptr<VirtioDevice>> devices;
    std::ranges::transform(slots_, std::back_inserter(devices), [](auto& slot) { return slot->release(); });
    slots_.clear();
    return devices;
}

std::uint64_t Transport::handle_call(std::uint64_t device, std::uint64_t operation, std::uint64_t argument)
{
    return device < slots_.size() ? slots_[device]->handle_call(operation, argument) : ENODEV;
}

} // namespace colinux
