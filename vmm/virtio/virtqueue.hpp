// SPDX-License-Identifier: GPL-2.0
// Virtqueue: the device's side of one split virtqueue (virtio 1.2, section 2.7) in guest memory.
//
//   driver:  descriptors -> available ring -> doorbell
//   device:  pop() a chain -> do it -> push_used() -> wants_interrupt()? -> interrupt
//
// Everything in the rings is written by a guest that we do not trust: the three areas are translated
// and checked once, here in the constructor; each descriptor is copied once and then validated; a
// chain has at most as many buffers as the queue has entries, which also ends every loop. What is
// beyond repair is a RingError.
//
// Notification suppression follows the event index (section 2.7.10) when it was negotiated, else the
// flags. Not thread-safe: a queue belongs to its device's thread.
#pragma once

#include "control/guest_memory.hpp"
#include "vmm/virtio/descriptor_chain.hpp"
#include "vmm/virtio/split_ring.hpp"

#include <cstdint>

namespace colinux {

class Virtqueue {
public:
    struct Layout {
        std::uint16_t size;        // entries, a power of two
        std::uint64_t descriptors; // guest-physical, aligned to 16
        std::uint64_t available;   // ... to 2
        std::uint64_t used;        // ... to 4
    };

    // `features` are the negotiated ones. Throws RingError when the areas are not guest RAM.
    Virtqueue(const GuestMemory& memory, const Layout& layout, std::uint64_t features);

    std::uint16_t size() const { return size_; }

    // Next request into `chain`; false when there is none.
    bool pop(DescriptorChain& chain);

    // Gives a chain back: `written` bytes of its writable buffers hold our answer.
    void push_used(std::uint16_t head, std::uint32_t written)
    {
        add_used(head, written);
        publish_used();
    }
    // The same in two steps, for chains that the driver must see together.
    void add_used(std::uint16_t head, std::uint32_t written);
    void publish_used();

    // Ask once after each batch of push_used(): does the driver want to hear of it?
    bool wants_interrupt();

    // "I am looking at the ring anyway: spare the doorbell", and back. After expect_doorbell() has
    // returned false nothing can be missed; true = more arrived meanwhile, look again.
    void suppress_doorbell();
    bool expect_doorbell();

    // For queues whose chains wait for us rather than we for them: pop(), and when there is none, have
    // the driver ring as soon as there is one.
    bool pop_or_expect_doorbell(DescriptorChain& chain);

    // Pops and handles until the ring is empty and a doorbell is promised. True = stopped early after a
    // fixed number of chains so that others get their turn: call again.
    template <typename Handler>
    bool drain(DescriptorChain& chain, Handler handle)
    {
        unsigned budget = 4u * size_;
        do {
            suppress_doorbell();
            while (pop(chain)) {
                handle(chain);
                if (--budget == 0)
                    return true;
            }
        } while (expect_doorbell());
        return false;
    }

private:
    void walk(DescriptorChain& chain, std::uint16_t head) const;
    void add_buffer(DescriptorChain& chain, const VirtqDesc& descriptor) const;
    std::byte* area(std::uint64_t phys, std::uint64_t bytes, std::uint64_t alignment, const char* name) const;

    const GuestMemory* memory_;
    std::uint16_t size_;
    bool event_index_;
    bool indirect_;
    std::byte* descriptors_;
    std::uint16_t* available_; // flags, idx, ring[size], used_event
    std::uint16_t* used_;      // flags, idx, then VirtqUsedElem[size], avail_event
    VirtqUsedElem* used_ring_;
    std::uint16_t* avail_event_;
    std::uint16_t next_available_{};
    std::uint16_t next_used_{};
    std::uint16_t signalled_used_{}; // next_used_ when wants_interrupt() was last asked
};

} // namespace colinux
