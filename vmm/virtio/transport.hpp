// SPDX-License-Identifier: GPL-2.0
// Transport: the daemon's side of include/colinux/transport.h. Lays the transport page and one page per
// device out in guest memory, gives each device a thread, a doorbell and an interrupt line, and answers
// the synchronous calls of the graft's virtio bus.
//
//   machine:  Transport transport{memory, phys, std::move(devices), log};   // before the guest runs
//             transport.bind(lines);                                       // CO_BIND_DOORBELL / _IRQ_LINE
//             transport.start();
//   vCPU:     run->result = transport.handle_call(run->arg[0], run->arg[1], run->arg[2]); // CO_EXIT_DEVICE
//   end:      transport.stop();                                            // before guest memory goes
#pragma once

#include "vmm/virtio/device_slot.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace colinux {

// How the machine ties descriptors to the driver's numbers.
class LineBinder {
public:
    virtual ~LineBinder() = default;
    virtual void bind_doorbell(unsigned doorbell, int eventfd) = 0;
    virtual void bind_irq_line(unsigned line, int eventfd) = 0;
};

class Transport {
public:
    // Guest memory that `devices` devices need, page-aligned; it must not be in the guest's e820 RAM.
    static std::uint64_t bytes_needed(std::size_t devices);

    // `phys`: where that memory lies. Device i gets doorbell and line i + 1, in this order. Throws
    // Failure{Usage} for more than CO_MAX_DEVICES.
    Transport(const GuestMemory& memory, std::uint64_t phys, std::vector<std::unique_ptr<VirtioDevice>> devices,
              LogLine log);

    void bind(LineBinder& binder) const;
    void start();
    void stop();
    // Stops, and gives the devices back for another transport.
    std::vector<std::unique_ptr<VirtioDevice>> release();

    // CO_CALL_DEVICE from any vCPU thread: `operation` is CO_DEVICE_*, with its argument. Returns 0 or an errno.
    std::uint64_t handle_call(std::uint64_t device, std::uint64_t operation, std::uint64_t argument = 0);

private:
    std::vector<std::unique_ptr<DeviceSlot>> slots_;
};

} // namespace colinux
