// SPDX-License-Identifier: GPL-2.0
// FakeTransportDriver: the guest's side of the transport for one device, as graft/ plays it: reads the
// device page, negotiates, sets queues up, rings the doorbell, waits for the interrupt.
#pragma once

#include "tests/fakes/fake_guest.hpp"
#include "vmm/virtio/transport.hpp"

#include <map>

namespace colinux {

class FakeTransportDriver final : public LineBinder {
public:
    // Builds a transport with this one device and starts it.
    FakeTransportDriver(FakeGuest& guest, std::unique_ptr<VirtioDevice> device);

    co_device& page() { return *page_; }
    co_u8* config() { return page_->config[page_->config_generation & 1]; }
    Transport& transport() { return *transport_; }
    const std::vector<std::string>& log() const { return log_; }

    // Acknowledge, negotiate `features` (+ VERSION_1), enable all queues with at most `queue_size`
    // entries, DRIVER_OK. False when the device refused.
    bool bring_up(std::uint64_t features, std::uint16_t queue_size = 64);
    std::uint64_t set_status(co_u32 status);
    std::uint64_t reset() { return transport_->handle_call(0, CO_DEVICE_RESET); }

    FakeQueue& queue(unsigned index) { return *queues_.at(index); }
    void ring_doorbell();
    // Returns when the device has seen every doorbell that was rung.
    void settle();
    // Waits for an interrupt; returns and clears interrupt_status. 0: none came, in all of kPatience.
    co_u32 wait_interrupt();
    // Readable while there is an interrupt that wait_interrupt() has not taken.
    int irq_line() const { return lines_.at(page_->irq_line); }
    // Rings and waits until queue `index` gave one back.
    bool finish_one(unsigned index, VirtqUsedElem& used);

private:
    void bind_doorbell(unsigned doorbell, int eventfd) override { doorbells_[doorbell] = eventfd; }
    void bind_irq_line(unsigned line, int eventfd) override { lines_[line] = eventfd; }

    FakeGuest& guest_;
    std::vector<std::string> log_;
    std::map<unsigned, int> doorbells_, lines_;
    std::vector<std::unique_ptr<FakeQueue>> queues_;
    co_device* page_{};
    std::unique_ptr<Transport> transport_; // last: its threads end first
};

} // namespace colinux
