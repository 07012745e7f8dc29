// SPDX-License-Identifier: GPL-2.0
// DeviceSlot: one device of the transport: its page in guest memory, its doorbell, its interrupt line,
// its thread. Carries the device through the states of virtio 1.2, section 2.1. The status calls come
// from a vCPU thread and wait for the device's thread, where all the work is done.
#pragma once

#include "vmm/sys/linux/event_fd.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/virtio/device_page.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

using LogLine = std::function<void(const std::string&)>; // any thread

class DeviceSlot final : private DriverLink {
public:
    // `page` is this device's zeroed page of guest memory; `number` counts from 1 and is both its
    // doorbell and its interrupt line.
    DeviceSlot(const GuestMemory& memory, co_device* page, unsigned number, std::unique_ptr<VirtioDevice> device,
               LogLine log);
    ~DeviceSlot();

    // CO_DEVICE_* and its argument, from a vCPU thread; returns 0 or an errno, for co_run.result. When RESET returns,
    // nothing touches guest memory.
    int handle_call(std::uint64_t operation, std::uint64_t argument = 0);

    void start() { loop_.start(); }
    void stop(); // resets the device and ends the thread
    std::unique_ptr<VirtioDevice> release(); // stop(); then this is of no use any more

    int doorbell_fd() const { return doorbell_.fd(); }
    int irq_fd() const { return irq_.fd(); }

private:
    void used_buffers() override;
    void change_config(const std::vector<std::byte>& config) override;
    void answer_with_config(const std::vector<std::byte>& config) override;

    void describe(co_device& page, unsigned number) const;
    std::uint64_t offered_features() const;
    int status_written();
    int accept_features();
    int activate();
    void process_queues();
    void fail(const std::string& why);
    void stop_device();

    const GuestMemory& memory_;
    DevicePage page_;
    std::unique_ptr<VirtioDevice> device_;
    LogLine log_;
    EventFd doorbell_;
    EventFd irq_;
    std::vector<std::byte> config_; // what the page's config space should hold
    std::optional<std::uint64_t> features_;         // negotiated; empty before FEATURES_OK
    std::vector<std::optional<Virtqueue>> queues_; // while active
    bool active_{};
    bool broken_{}; // NEEDS_RESET: nothing but a reset is listened to
    EventLoop loop_; // last: its thread ends first
};

} // namespace colinux
