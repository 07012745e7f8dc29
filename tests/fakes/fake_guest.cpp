// SPDX-License-Identifier: GPL-2.0
// FakeGuest and FakeQueue: a well-behaved driver in plain memory.
#include "tests/fakes/fake_guest.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace colinux {

void FakeGuest::Freer::operator()(std::byte* memory) const { std::free(memory); }

FakeGuest::FakeGuest(std::uint64_t bytes)
    : bytes_{bytes}, storage_{static_cast<std::byte*>(std::aligned_alloc(4096, bytes))}, next_{kBase}
{
    std::memset(storage_.get(), 0, bytes);
    memory_ = GuestMemory{{{kBase, bytes, storage_.get()}}};
}

std::uint64_t FakeGuest::allocate(std::uint64_t bytes, std::uint64_t alignment)
{
    std::uint64_t phys = (next_ + alignment - 1) & ~(alignment - 1);
    if (phys + bytes > end())
        throw std::runtime_error{"the fake guest is out of memory"};
    next_ = phys + bytes;
    return phys;
}

std::uint64_t FakeGuest::allocate_text(std::string_view text)
{
    std::uint64_t phys = allocate(text.size());
    std::memcpy(at(phys, text.size()), text.data(), text.size());
    return phys;
}

std::string FakeGuest::text_at(std::uint64_t phys, std::uint64_t bytes) const
{
    return {at<char>(phys, bytes), bytes};
}

FakeQueue::FakeQueue(FakeGuest& guest, std::uint16_t size) : guest_{guest}, free_(size)
{
    layout_ = {.size = size,
               .descriptors = guest.allocate((size + 1) * sizeof(VirtqDesc), 16),
               .available = guest.allocate(available_bytes(size), 2),
               .used = guest.allocate(used_bytes(size), 4)};
    std::iota(free_.rbegin(), free_.rend(), std::uint16_t{0});
}

std::uint16_t FakeQueue::take_free()
{
    if (free_.empty())
        throw std::runtime_error{"the fake queue is full"};
    std::uint16_t slot = free_.back();
    free_.pop_back();
    return slot;
}

void FakeQueue::fill(VirtqDesc* descriptors, const std::vector<std::uint16_t>& slots,
                     const std::vector<FakeBuffer>& buffers)
{
    for (std::size_t i = 0; i < buffers.size(); i++) {
        bool last = i + 1 == buffers.size();
        auto flags = static_cast<std::uint16_t>((buffers[i].writable ? VIRTQ_DESC_F_WRITE : 0) |
                                                (last ? 0 : VIRTQ_DESC_F_NEXT));
        descriptors[slots[i]] = {buffers[i].phys, buffers[i].bytes, flags, last ? std::uint16_t{0} : slots[i + 1]};
    }
}

std::uint16_t FakeQueue::add(const std::vector<FakeBuffer>& buffers)
{
    std::vector<std::uint16_t> slots;
    for (std::size_t i = 0; i < buffers.size(); i++)
        slots.push_back(take_free());
    fill(table(), slots, buffers);
    make_available(slots[0]);
    return slots[0];
}

std::uint16_t FakeQueue::add_indirect(const std::vector<FakeBuffer>& buffers)
{
    std::uint16_t slot = take_free();
    auto bytes = static_cast<std::uint32_t>(buffers.size() * sizeof(VirtqDesc));
    std::uint64_t phys = guest_.allocate(bytes, 16);
    std::vector<std::uint16_t> slots(buffers.size());
    std::iota(slots.begin(), slots.end(), std::uint16_t{0});
    fill(guest_.at<VirtqDesc>(phys, bytes), slots, buffers);
    table()[slot] = {phys, bytes, VIRTQ_DESC_F_INDIRECT, 0};
    make_available(slot);
    return slot;
}

void FakeQueue::make_available(std::uint16_t head)
{
    std::uint16_t index = *avail_index();
    available()[2 + index % layout_.size] = head;
    std::atomic_ref{*avail_index()}.store(index + 1, std::memory_order_seq_cst);
}

void FakeQueue::ask_for_interrupt()
{
    std::atomic_ref{*used_event()}.store(seen_used_);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

bool FakeQueue::take_used(VirtqUsedElem& element)
{
    if (std::atomic_ref{*used_index()}.load(std::memory_order_acquire) == seen_used_)
        return false;
    auto* ring = reinterpret_cast<VirtqUsedElem*>(used() + 2);
    element = ring[seen_used_++ % layout_.size];
    std::uint16_t slot = static_cast<std::uint16_t>(element.id);
    while (table()[slot].flags & VIRTQ_DESC_F_NEXT) {
        free_.push_back(slot);
        slot = table()[slot].next;
    }
    free_.push_back(slot);
    return true;
}

} // namespace colinux
