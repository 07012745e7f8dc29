// SPDX-License-Identifier: GPL-2.0
// DevicePage: one struct co_device (include/colinux/transport.h) in guest memory. The driver in the
// guest writes to it at any time: every field is read once, with one load, into a value of ours.
#pragma once

#include <colinux/transport.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <span>

namespace colinux {

class DevicePage {
public:
    explicit DevicePage(co_device* page) : page_{page} {}

    co_u32 status() const { return load(page_->status); }
    co_u64 driver_features() const { return load(page_->driver_features); }

    co_virtqueue queue(unsigned index) const
    {
        co_virtqueue& queue = page_->queue[index];
        return {.size_max = 0,
                .size = load(queue.size),
                .ready = load(queue.ready),
                .reserved = 0,
                .descriptors = load(queue.descriptors),
                .driver = load(queue.driver),
                .device = load(queue.device)};
    }

    void set_status(co_u32 status) { atomic(page_->status).store(status); }
    void add_status(co_u32 bits) { atomic(page_->status).fetch_or(bits); }
    void remove_status(co_u32 bits) { atomic(page_->status).fetch_and(~bits); }

    // Why the next interrupt comes: 1 = used buffers, 2 = configuration.
    void add_interrupt(co_u32 bits) { atomic(page_->interrupt_status).fetch_or(bits); }

    // What the driver chose, gone (the device's own half stays).
    void forget_driver()
    {
        for (co_virtqueue& queue : page_->queue) {
            atomic(queue.ready).store(0);
            atomic(queue.size).store(0);
        }
        atomic(page_->driver_features).store(0);
        atomic(page_->interrupt_status).store(0);
        atomic(page_->status).store(0);
    }

    // The half that nobody reads, then the generation that makes it the one to read: no change is ever seen half done.
    void write_config(std::span<const std::byte> config)
    {
        co_u32 generation = load(page_->config_generation) + 1;
        std::atomic_thread_fence(std::memory_order_release); // the last generation is seen before what is written now
        std::ranges::copy(config, reinterpret_cast<std::byte*>(page_->config[generation & 1]));
        atomic(page_->config_generation).store(generation);
    }

private:
    template <typename T>
    static std::atomic_ref<T> atomic(T& field)
    {
        return std::atomic_ref<T>{field};
    }
    template <typename T>
    static T load(T& field)
    {
        return atomic(field).load();
    }

    co_device* page_;
};

} // namespace colinux
