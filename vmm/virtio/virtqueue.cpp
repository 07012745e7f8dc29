// SPDX-License-Identifier: GPL-2.0
// Virtqueue: walking untrusted rings, with the memory barriers of virtio 1.2, section 2.7.
#include "vmm/virtio/virtqueue.hpp"

#include "vmm/virtio/ring_error.hpp"

#include <atomic>
#include <bit>
#include <string>

namespace colinux {
namespace {

constexpr std::uint64_t kMaxChainBytes = std::uint64_t{1} << 32; // section 2.7.4.1: no chain above 4 GiB

template <typename T>
T load(T* shared, std::memory_order order = std::memory_order_relaxed)
{
    return std::atomic_ref{*shared}.load(order);
}

template <typename T>
void store(T* shared, T value, std::memory_order order = std::memory_order_relaxed)
{
    std::atomic_ref{*shared}.store(value, order);
}

// One copy of a descriptor, as two whole words: the guest cannot change it between check and use.
VirtqDesc copy_descriptor(std::byte* table, std::uint32_t index)
{
    auto* words = reinterpret_cast<std::uint64_t*>(table + index * sizeof(VirtqDesc));
    std::uint64_t low = load(words);
    std::uint64_t high = load(words + 1);
    return {.addr = low,
            .len = static_cast<std::uint32_t>(high),
            .flags = static_cast<std::uint16_t>(high >> 32),
            .next = static_cast<std::uint16_t>(high >> 48)};
}

bool has(std::uint64_t features, unsigned bit) { return features >> bit & 1; }

} // namespace

Virtqueue::Virtqueue(const GuestMemory& memory, const Layout& layout, std::uint64_t features)
    : memory_{&memory},
      size_{layout.size},
      event_index_{has(features, VIRTIO_F_EVENT_IDX)},
      indirect_{has(features, VIRTIO_F_INDIRECT_DESC)}
{
    if (!std::has_single_bit(size_) || size_ > 32768)
        throw RingError{"queue size " + std::to_string(size_) + " is not a power of two up to 32768"};
    std::uint64_t entries = size_;
    descriptors_ = area(layout.descriptors, entries * sizeof(VirtqDesc), 16, "descriptor table");
    available_ = reinterpret_cast<std::uint16_t*>(area(layout.available, available_bytes(entries), 2, "available ring"));
    std::byte* used = area(layout.used, used_bytes(entries), 4, "used ring");
    used_ = reinterpret_cast<std::uint16_t*>(used);
    used_ring_ = reinterpret_cast<VirtqUsedElem*>(used + 4);
    avail_event_ = reinterpret_cast<std::uint16_t*>(used + 4 + 8 * entries);
}

std::byte* Virtqueue::area(std::uint64_t phys, std::uint64_t bytes, std::uint64_t alignment, const char* name) const
{
    std::byte* host = phys % alignment == 0 ? memory_->translate(phys, bytes) : nullptr;
    if (!host)
        throw RingError{std::string{name} + " is misaligned or outside guest memory"};
    return host;
}

bool Virtqueue::pop(DescriptorChain& chain)
{
    // Acquire: the ring entry and the descriptors were written before idx.
    std::uint16_t available = load(available_ + 1, std::memory_order_acquire);
    auto waiting = static_cast<std::uint16_t>(available - next_available_);
    if (waiting == 0)
        return false;
    if (waiting > size_)
        throw RingError{"available index is ahead by more than the queue size"};
    std::uint16_t head = load(available_ + 2 + (next_available_ & (size_ - 1)));
    if (head >= size_)
        throw RingError{"available ring names a descriptor outside the table"};
    walk(chain, head);
    next_available_++;
    return true;
}

void Virtqueue::walk(DescriptorChain& chain, std::uint16_t head) const
{
    chain.clear();
    chain.head = head;
    std::byte* table = descriptors_;
    std::uint32_t entries = size_;
    std::uint32_t index = head;
    std::uint64_t bytes = 0;
    for (unsigned visited = 0; visited <= size_; visited++) { // one more for the way into an indirect table
        VirtqDesc descriptor = copy_descriptor(table, index);
        if (descriptor.flags & VIRTQ_DESC_F_INDIRECT) {
            // section 2.7.5.3.1: not nested, not chained on
            if (!indirect_ || table != descriptors_ || descriptor.flags & VIRTQ_DESC_F_NEXT)
                throw RingError{"indirect descriptor where none may be"};
            entries = descriptor.len / sizeof(VirtqDesc);
            if (descriptor.len % sizeof(VirtqDesc) || entries == 0 || entries > size_)
                throw RingError{"indirect table has a bad length"};
            table = area(descriptor.addr, descriptor.len, 16, "indirect table");
            index = 0;
            continue;
        }
        bytes += descriptor.len;
        if (bytes > kMaxChainBytes || chain.readable.size() + chain.writable.size() == size_)
            throw RingError{"descriptor chain is too long or loops"};
        add_buffer(chain, descriptor);
        if (!(descriptor.flags & VIRTQ_DESC_F_NEXT))
            return;
        index = descriptor.next;
        if (index >= entries)
            throw RingError{"descriptor chain leaves its table"};
    }
    throw RingError{"descriptor chain is too long or loops"};
}

void Virtqueue::add_buffer(DescriptorChain& chain, const VirtqDesc& descriptor) const
{
    std::byte* host = memory_->translate(descriptor.addr, descriptor.len);
    if (!host)
        throw RingError{"buffer is empty or outside guest memory"};
    GuestBuffer buffer{host, descriptor.len};
    if (descriptor.flags & VIRTQ_DESC_F_WRITE) {
        chain.writable.push_back(buffer);
        return;
    }
    if (!chain.writable.empty()) // section 2.7.4.2
        throw RingError{"readable buffer after a writable one"};
    chain.readable.push_back(buffer);
}

void Virtqueue::add_used(std::uint16_t head, std::uint32_t written)
{
    VirtqUsedElem* element = used_ring_ + (next_used_ & (size_ - 1));
    store(&element->id, std::uint32_t{head});
    store(&element->len, written);
    next_used_++;
}

void Virtqueue::publish_used()
{
    // Release: the driver that sees the new idx sees the element and our answer.
    store(used_ + 1, next_used_, std::memory_order_release);
}

bool Virtqueue::wants_interrupt()
{
    std::uint16_t before = signalled_used_;
    signalled_used_ = next_used_;
    if (before == next_used_)
        return false;
    // Full fence: our idx is visible before we look at what the driver asked for; the driver does the
    // mirror image (section 2.7.7.2), so one of the two notices.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (event_index_)
        return event_is_passed(load(available_ + 2 + size_), next_used_, before);
    return !(load(available_) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

void Virtqueue::suppress_doorbell()
{
    // With the event index a stale avail_event suppresses by itself.
    if (!event_index_)
        store(used_, std::uint16_t{VIRTQ_USED_F_NO_NOTIFY});
}

bool Virtqueue::expect_doorbell()
{
    if (event_index_)
        store(avail_event_, next_available_);
    else
        store(used_, std::uint16_t{0});
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return load(available_ + 1, std::memory_order_acquire) != next_available_;
}

bool Virtqueue::pop_or_expect_doorbell(DescriptorChain& chain)
{
    if (!pop(chain) && !(expect_doorbell() && pop(chain)))
        return false;
    suppress_doorbell();
    return true;
}

} // namespace colinux
