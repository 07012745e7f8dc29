// SPDX-License-Identifier: GPL-2.0
// FuzzGuest: 64 KiB of guest memory filled with the fuzzer's input, and queues laid over it, so that
// rings, descriptors, indirect tables and buffers all come from the input. fuzz_device() drives one
// device the way a DeviceSlot does.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/virtio/ring_error.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace colinux {

class FuzzGuest {
public:
    static constexpr std::uint64_t kBytes = 64 << 10;
    static constexpr std::uint64_t kBase = 0; // small numbers make good addresses
    static constexpr std::uint16_t kQueueSize = 16;

    explicit FuzzGuest(std::span<const std::uint8_t> input)
        : storage_(kBytes / sizeof(Page)), memory_{{{kBase, kBytes, storage_[0].bytes}}}
    {
        if (!input.empty())
            std::memcpy(storage_[0].bytes, input.data(), std::min<std::size_t>(input.size(), kBytes));
    }

    const GuestMemory& memory() const { return memory_; }

    // The queues lie back to back at the start, available ring first: short inputs already do much.
    static Virtqueue::Layout layout(unsigned index)
    {
        std::uint64_t start = kBase + index * 512;
        return {.size = kQueueSize, .descriptors = start + 192, .available = start, .used = start + 48};
    }

private:
    struct alignas(4096) Page {
        std::byte bytes[4096];
    };
    std::vector<Page> storage_;
    GuestMemory memory_;
};

class IgnoreInterrupts final : public DriverLink {
public:
    void used_buffers() override {}
    void change_config(const std::vector<std::byte>&) override {}
    void answer_with_config(const std::vector<std::byte>&) override {}
};

// First input byte: features; the rest is guest memory.
inline void fuzz_device(VirtioDevice& device, std::span<const std::uint8_t> input)
{
    if (input.empty())
        return;
    std::uint64_t features = input[0] & 1 ? device.features() : 0;
    features |= input[0] & 2 ? 1ull << VIRTIO_F_EVENT_IDX : 0;
    features |= input[0] & 4 ? 1ull << VIRTIO_F_INDIRECT_DESC : 0;
    FuzzGuest guest{input.subspan(1)};
    IgnoreInterrupts link;
    std::vector<Virtqueue> queues;
    queues.reserve(device.queue_sizes().size());
    std::vector<Virtqueue*> enabled;
    for (unsigned i = 0; i < device.queue_sizes().size(); i++)
        enabled.push_back(&queues.emplace_back(guest.memory(), FuzzGuest::layout(i), features));
    try {
        device.activate(enabled, link, features);
        for (int round = 0; round < 3; round++) {
            for (unsigned i = 0; i < queues.size(); i++)
                device.process(i);
        }
    } catch (const RingError&) {
    }
    device.reset();
}

} // namespace colinux
