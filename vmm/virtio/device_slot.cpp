// SPDX-License-Identifier: GPL-2.0
// DeviceSlot: negotiation, activation, doorbells, reset.
#include "vmm/virtio/device_slot.hpp"

#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_config.h>

#include <algorithm>
#include <cerrno>

namespace colinux {
namespace {

constexpr co_u32 kVendor = 0x4f4c4f43; // "COLO"
constexpr co_u32 kInterruptUsed = 1;
constexpr co_u32 kInterruptConfig = 2;

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

constexpr std::uint64_t kTransportFeatures =
    bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_F_INDIRECT_DESC) | bit(VIRTIO_F_EVENT_IDX);

} // namespace

DeviceSlot::DeviceSlot(const GuestMemory& memory, co_device* page, unsigned number,
                       std::unique_ptr<VirtioDevice> device, LogLine log)
    : memory_{memory},
      page_{page},
      device_{std::move(device)},
      log_{std::move(log)},
      config_{device_->config()},
      loop_{device_->name()}
{
    describe(*page, number);
    loop_.on_error([this](const std::exception& error) { fail(error.what()); });
    loop_.watch_signals(doorbell_, [this] { process_queues(); });
    device_->attach(loop_);
}

DeviceSlot::~DeviceSlot() { stop(); }

void DeviceSlot::stop()
{
    loop_.call([this] { stop_device(); });
    loop_.stop();
}

std::unique_ptr<VirtioDevice> DeviceSlot::release()
{
    stop();
    return std::move(device_);
}

void DeviceSlot::describe(co_device& page, unsigned number) const
{
    std::vector<std::uint16_t> sizes = device_->queue_sizes();
    page.device_id = device_->type();
    page.vendor_id = kVendor;
    page.irq_line = number;
    page.doorbell = number;
    page.device_features = offered_features();
    page.queues = static_cast<co_u32>(sizes.size());
    page.config_bytes = static_cast<co_u32>(config_.size());
    for (std::size_t i = 0; i < sizes.size(); i++)
        page.queue[i].size_max = sizes[i];
    std::ranges::copy(std::as_bytes(std::span{config_}), reinterpret_cast<std::byte*>(page.config[0]));
}

std::uint64_t DeviceSlot::offered_features() const { return device_->features() | kTransportFeatures; }

int DeviceSlot::handle_call(std::uint64_t operation, std::uint64_t argument)
{
    int result = EINVAL;
    loop_.call([&] {
        if (operation == CO_DEVICE_STATUS) {
            result = status_written();
        } else if (operation == CO_DEVICE_RESET) {
            stop_device();
            page_.forget_driver();
            result = 0;
        } else if (operation == CO_DEVICE_CONFIG) {
            page_.write_config(config_); // no device here has a field that the driver may change
            result = 0;
        } else {
            result = device_->request(operation, argument);
        }
    });
    return result;
}

int DeviceSlot::status_written()
{
    co_u32 status = page_.status();
    if (status == 0) {
        stop_device();
        page_.forget_driver();
        return 0;
    }
    if (broken_) {
        page_.add_status(VIRTIO_CONFIG_S_NEEDS_RESET);
        return EIO;
    }
    if (status & VIRTIO_CONFIG_S_FEATURES_OK && !features_) {
        int result = accept_features();
        if (result)
            return result;
    }
    if (status & VIRTIO_CONFIG_S_DRIVER_OK && !active_)
        return activate();
    return 0;
}

int DeviceSlot::accept_features()
{
    std::uint64_t chosen = page_.driver_features();
    if (chosen & ~offered_features() || !(chosen & bit(VIRTIO_F_VERSION_1))) {
        page_.remove_status(VIRTIO_CONFIG_S_FEATURES_OK);
        return EINVAL;
    }
    features_ = chosen;
    return 0;
}

int DeviceSlot::activate()
{
    if (!features_) {
        fail("DRIVER_OK before FEATURES_OK");
        return EINVAL;
    }
    std::vector<std::uint16_t> sizes = device_->queue_sizes();
    queues_.clear();
    queues_.resize(sizes.size());
    std::vector<Virtqueue*> enabled;
    try {
        for (std::size_t i = 0; i < sizes.size(); i++) {
            co_virtqueue queue = page_.queue(i);
            if (queue.ready == 1) {
                if (queue.size > sizes[i])
                    throw RingError{"queue is larger than offered"};
                queues_[i].emplace(memory_,
                                   Virtqueue::Layout{queue.size, queue.descriptors, queue.driver, queue.device},
                                   *features_);
            }
            enabled.push_back(queues_[i] ? &*queues_[i] : nullptr);
        }
    } catch (const RingError& error) {
        fail(error.what());
        return EINVAL;
    }
    active_ = true;
    device_->activate(std::move(enabled), *this, *features_);
    process_queues();
    return 0;
}

void DeviceSlot::process_queues()
{
    if (!active_)
        return;
    bool more = false;
    for (std::size_t i = 0; i < queues_.size(); i++)
        more |= queues_[i] && device_->process(i);
    if (more)
        doorbell_.signal();
}

void DeviceSlot::used_buffers()
{
    page_.add_interrupt(kInterruptUsed);
    irq_.signal();
}

void DeviceSlot::change_config(const std::vector<std::byte>& config)
{
    answer_with_config(config);
    page_.add_interrupt(kInterruptConfig);
    irq_.signal();
}

void DeviceSlot::answer_with_config(const std::vector<std::byte>& config)
{
    config_ = config;
    page_.write_config(config_);
}

void DeviceSlot::fail(const std::string& why)
{
    if (broken_)
        return;
    log_(device_->name() + ": " + why + "; the device waits for a reset by the guest");
    stop_device();
    broken_ = true;
    page_.add_status(VIRTIO_CONFIG_S_NEEDS_RESET);
    page_.add_interrupt(kInterruptConfig);
    irq_.signal();
}

void DeviceSlot::stop_device()
{
    if (active_)
        device_->reset();
    active_ = false;
    broken_ = false;
    queues_.clear();
    features_.reset();
}

} // namespace colinux
