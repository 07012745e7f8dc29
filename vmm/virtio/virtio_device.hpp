// SPDX-License-Identifier: GPL-2.0
// VirtioDevice: what a kind of device implements; the transport does the rest. type(), features(),
// queue_sizes() and config() are constant and may be asked by any thread. Everything else is called on
// the device's own EventLoop, never two at a time, so a device needs no locks.
#pragma once

#include "vmm/virtio/virtqueue.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace colinux {

class EventLoop;

// How a device reaches the driver in the guest. Only from the device's own thread.
class DriverLink {
public:
    virtual void used_buffers() = 0;                                    // raise the queue interrupt
    virtual void change_config(const std::vector<std::byte>& config) = 0; // new contents, then the interrupt
    virtual void answer_with_config(const std::vector<std::byte>& config) = 0; // likewise in request(): the driver looks for itself

protected:
    ~DriverLink() = default;
};

class VirtioDevice {
public:
    virtual ~VirtioDevice() = default;

    virtual std::string name() const = 0;                        // for logs: "cobd0"
    virtual std::uint32_t type() const = 0;                      // VIRTIO_ID_*
    virtual std::uint64_t features() const = 0;                  // bits 0..23 and 50..; the transport adds its own
    virtual std::vector<std::uint16_t> queue_sizes() const = 0;  // largest sizes, powers of two
    virtual std::vector<std::byte> config() const { return {}; } // initial contents of the config space

    // Before the guest runs, once each time that it boots: where the device may watch descriptors of its own.
    virtual void attach(EventLoop&) {}

    // The driver said DRIVER_OK. queues[i] is the i-th of queue_sizes(); one that the driver did not
    // enable is absent. `link` stays valid until reset().
    virtual void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) = 0;

    // The doorbell rang: look at queue `index`. True = stopped early, call again. Throws RingError.
    virtual bool process(unsigned index) = 0;

    // CO_CALL_DEVICE with an operation of this kind of device only; 0 or an errno, for the driver.
    virtual int request(std::uint64_t operation, std::uint64_t argument);

    // Back to before activate(). When it returns, nothing touches guest memory any more.
    virtual void reset() = 0;
};

inline int VirtioDevice::request(std::uint64_t, std::uint64_t) { return EINVAL; }

// After a batch on `queue`: interrupt the driver if it wants that.
inline void notify_driver(Virtqueue& queue, DriverLink& link)
{
    if (queue.wants_interrupt())
        link.used_buffers();
}

} // namespace colinux
