// SPDX-License-Identifier: GPL-2.0
// FakeTransportDriver: virtio 1.2, section 3.1.1, in the order in which Linux does it.
#include "tests/fakes/fake_transport_driver.hpp"

#include "tests/fakes/patience.hpp"

#include <linux/virtio_config.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace colinux {

FakeTransportDriver::FakeTransportDriver(FakeGuest& guest, std::unique_ptr<VirtioDevice> device) : guest_{guest}
{
    std::uint64_t phys = guest.allocate(Transport::bytes_needed(1), 4096);
    std::vector<std::unique_ptr<VirtioDevice>> devices;
    devices.push_back(std::move(device));
    transport_ = std::make_unique<Transport>(guest.memory(), phys, std::move(devices),
                                             [this](const std::string& line) { log_.push_back(line); });
    page_ = guest.at<co_device>(phys + sizeof(co_transport));
    transport_->bind(*this);
    transport_->start();
}

std::uint64_t FakeTransportDriver::set_status(co_u32 status)
{
    page_->status = status;
    return transport_->handle_call(0, CO_DEVICE_STATUS);
}

bool FakeTransportDriver::bring_up(std::uint64_t features, std::uint16_t queue_size)
{
    co_u32 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    set_status(status);
    page_->driver_features = features | 1ull << VIRTIO_F_VERSION_1;
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    if (set_status(status) != 0 || !(page_->status & VIRTIO_CONFIG_S_FEATURES_OK))
        return false;
    queues_.clear();
    for (unsigned i = 0; i < page_->queues; i++) {
        co_virtqueue& queue = page_->queue[i];
        queue.size = std::min<co_u16>(queue_size, queue.size_max);
        queues_.push_back(std::make_unique<FakeQueue>(guest_, queue.size));
        Virtqueue::Layout layout = queues_[i]->layout();
        queue.descriptors = layout.descriptors;
        queue.driver = layout.available;
        queue.device = layout.used;
        queue.ready = 1;
    }
    return set_status(status | VIRTIO_CONFIG_S_DRIVER_OK) == 0;
}

void FakeTransportDriver::ring_doorbell()
{
    std::uint64_t one = 1;
    if (write(doorbells_.at(page_->doorbell), &one, sizeof one) != sizeof one)
        throw std::runtime_error{"doorbell"};
}

void FakeTransportDriver::settle()
{
    // The device's loop runs calls, then looks at the doorbell: what was rung before the first is seen before the second.
    constexpr std::uint64_t kNothing = 77;
    for (int i = 0; i < 2; i++)
        transport_->handle_call(0, kNothing);
}

co_u32 FakeTransportDriver::wait_interrupt()
{
    // The status of a wake may have been taken with the wake before it: such a one says nothing, another will come.
    std::uint64_t count;
    while (becomes_readable(irq_line()) && read(irq_line(), &count, sizeof count) == sizeof count)
        if (co_u32 status = std::atomic_ref{page_->interrupt_status}.exchange(0))
            return status;
    return 0;
}

bool FakeTransportDriver::finish_one(unsigned index, VirtqUsedElem& used)
{
    queue(index).ask_for_interrupt();
    ring_doorbell();
    while (!queue(index).take_used(used)) {
        if (!wait_interrupt())
            return false;
    }
    return true;
}

} // namespace colinux
