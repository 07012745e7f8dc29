// SPDX-License-Identifier: GPL-2.0
// FakeGuest: guest memory in plain memory, with an allocator, so that tests can play the guest.
// FakeQueue: the driver's side of one split virtqueue in it. It does what a driver does and no more;
// a hostile driver writes to table(), available() and used() itself.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/virtio/split_ring.hpp"
#include "vmm/virtio/virtqueue.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

class FakeGuest {
public:
    static constexpr std::uint64_t kBase = 0x40000000;

    explicit FakeGuest(std::uint64_t bytes = 4 << 20);

    const GuestMemory& memory() const { return memory_; }
    std::uint64_t end() const { return kBase + bytes_; }

    // Fresh zeroed memory; returns its guest-physical address.
    std::uint64_t allocate(std::uint64_t bytes, std::uint64_t alignment = 16);
    std::uint64_t allocate_text(std::string_view text);

    // A view of guest memory; nullptr when out of range.
    template <typename T = std::byte>
    T* at(std::uint64_t phys, std::uint64_t bytes = sizeof(T)) const
    {
        return reinterpret_cast<T*>(memory_.translate(phys, bytes));
    }
    std::string text_at(std::uint64_t phys, std::uint64_t bytes) const;

private:
    struct Freer {
        void operator()(std::byte* memory) const;
    };
    std::uint64_t bytes_;
    std::unique_ptr<std::byte[], Freer> storage_;
    GuestMemory memory_;
    std::uint64_t next_;
};

struct FakeBuffer {
    std::uint64_t phys;
    std::uint32_t bytes;
    bool writable;
};

class FakeQueue {
public:
    FakeQueue(FakeGuest& guest, std::uint16_t size);

    Virtqueue::Layout layout() const { return layout_; }

    // Puts a chain (an indirect table with one descriptor that names it) into the ring; returns its head.
    std::uint16_t add(const std::vector<FakeBuffer>& buffers);
    std::uint16_t add_indirect(const std::vector<FakeBuffer>& buffers);
    void make_available(std::uint16_t head); // for hand-made chains

    // Next used element, and its descriptors are free again.
    bool take_used(VirtqUsedElem& element);

    // "Interrupt me when one more is used", for the event index. Look at take_used() after it.
    void ask_for_interrupt();
    // What a driver checks before it rings: has the device asked to be notified since `before`?
    bool must_ring(std::uint16_t before) const { return event_is_passed(*avail_event(), *avail_index(), before); }

    // Behind the last descriptor there is one more that is none of the ring's.
    VirtqDesc* table() const { return guest_.at<VirtqDesc>(layout_.descriptors, (layout_.size + 1) * sizeof(VirtqDesc)); }
    std::uint16_t* available() const { return guest_.at<std::uint16_t>(layout_.available, available_bytes(layout_.size)); }
    std::uint16_t* used() const { return guest_.at<std::uint16_t>(layout_.used, used_bytes(layout_.size)); }
    std::uint16_t* avail_index() const { return available() + 1; }
    std::uint16_t* used_index() const { return used() + 1; }
    std::uint16_t* used_event() const { return available() + 2 + layout_.size; }
    std::uint16_t* avail_event() const { return used() + 2 + 4 * layout_.size; }

private:
    void fill(VirtqDesc* descriptors, const std::vector<std::uint16_t>& slots, const std::vector<FakeBuffer>& buffers);
    std::uint16_t take_free();

    FakeGuest& guest_;
    Virtqueue::Layout layout_;
    std::vector<std::uint16_t> free_;
    std::uint16_t seen_used_{};
};

} // namespace colinux
