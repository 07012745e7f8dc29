// SPDX-License-Identifier: GPL-2.0
// ConsoleRing: two byte rings with free-running 64-bit positions.
#include "vmm/devices/console_ring.hpp"

#include "base/address.hpp"
#include "control/failure.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/virtio/transport.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace colinux {
namespace {

constexpr std::uint32_t kOutputBytes = 64 << 10;
constexpr std::uint32_t kInputBytes = 4 << 10;
constexpr std::uint16_t kRows = 24, kColumns = 80;

} // namespace

std::uint64_t ConsoleRing::bytes_needed()
{
    return align_up(sizeof(co_console_ring) + kOutputBytes + kInputBytes, kPageSize);
}

ConsoleRing::ConsoleRing(const GuestMemory& memory, std::uint64_t phys)
{
    std::byte* base = is_aligned(phys, kPageSize) ? memory.translate(phys, bytes_needed()) : nullptr;
    if (!base)
        throw Failure{ExitCode::Internal, "the console ring is not in guest memory"};
    std::memset(base, 0, bytes_needed());
    ring_ = reinterpret_cast<co_console_ring*>(base);
    ring_->size = kOutputBytes;
    ring_->input_size = kInputBytes;
    ring_->input_offset = sizeof(co_console_ring) + kOutputBytes;
    ring_->rows = kRows;
    ring_->columns = kColumns;
    input_ = reinterpret_cast<char*>(base) + ring_->input_offset;
}

void ConsoleRing::bind(LineBinder& binder) const
{
    binder.bind_doorbell(CO_DOORBELL_CONSOLE, doorbell_.fd());
    binder.bind_irq_line(CO_IRQ_LINE_CONSOLE, irq_.fd());
}

void ConsoleRing::connect(EventLoop& hub_loop, ConsoleOutput output)
{
    output_ = std::move(output);
    hub_loop.watch_signals(doorbell_, [this] { drain(); });
}

void ConsoleRing::disconnect(EventLoop& hub_loop) { hub_loop.unwatch(doorbell_.fd()); }

void ConsoleRing::drain()
{
    std::uint64_t head = std::atomic_ref{ring_->head}.load(std::memory_order_acquire);
    if (head - tail_ > kOutputBytes) // only a graft gone wrong: show what is there
        tail_ = head - kOutputBytes;
    while (tail_ != head) {
        std::uint64_t start = tail_ % kOutputBytes;
        std::uint64_t piece = std::min(head - tail_, kOutputBytes - start);
        output_({ring_->data + start, piece});
        tail_ += piece;
    }
    std::atomic_ref{ring_->tail}.store(tail_, std::memory_order_release);
}

std::size_t ConsoleRing::write_input(std::string_view typed)
{
    std::uint64_t used = input_head_ - std::atomic_ref{ring_->input_tail}.load(std::memory_order_acquire);
    std::uint64_t room = used <= kInputBytes ? kInputBytes - used : 0;
    std::size_t taken = std::min<std::size_t>(typed.size(), room);
    for (char byte : typed.substr(0, taken))
        input_[input_head_++ % kInputBytes] = byte;
    if (taken) {
        std::atomic_ref{ring_->input_head}.store(input_head_, std::memory_order_release);
        irq_.signal();
    }
    return taken;
}

void ConsoleRing::resize(std::uint16_t rows, std::uint16_t columns)
{
    std::atomic_ref{ring_->rows}.store(rows);
    std::atomic_ref{ring_->columns}.store(columns);
    irq_.signal();
}

} // namespace colinux
