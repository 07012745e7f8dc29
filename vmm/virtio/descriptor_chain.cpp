// SPDX-License-Identifier: GPL-2.0
// DescriptorChain: sums, and copies that consume.
#include "vmm/virtio/descriptor_chain.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace colinux {
namespace {

std::uint64_t sum(const std::vector<GuestBuffer>& buffers)
{
    return std::accumulate(buffers.begin(), buffers.end(), std::uint64_t{0},
                           [](std::uint64_t bytes, GuestBuffer buffer) { return bytes + buffer.size(); });
}

// Calls copy(guest, offset, bytes) piece by piece for up to `wanted` bytes, then drops them.
template <typename Copy>
std::size_t consume(std::vector<GuestBuffer>& buffers, std::size_t wanted, Copy copy)
{
    std::size_t done = 0;
    auto buffer = buffers.begin();
    while (done < wanted && buffer != buffers.end()) {
        std::size_t piece = std::min(wanted - done, buffer->size());
        copy(buffer->data(), done, piece);
        done += piece;
        *buffer = buffer->subspan(piece);
        if (buffer->empty())
            ++buffer;
    }
    buffers.erase(buffers.begin(), buffer);
    return done;
}

} // namespace

void DescriptorChain::clear()
{
    readable.clear();
    writable.clear();
}

std::uint64_t DescriptorChain::readable_bytes() const { return sum(readable); }
std::uint64_t DescriptorChain::writable_bytes() const { return sum(writable); }

std::size_t DescriptorChain::read(std::span<std::byte> to)
{
    return consume(readable, to.size(), [to](const std::byte* guest, std::size_t offset, std::size_t bytes) {
        std::memcpy(to.data() + offset, guest, bytes);
    });
}

std::size_t DescriptorChain::write(std::span<const std::byte> from)
{
    return consume(writable, from.size(), [from](std::byte* guest, std::size_t offset, std::size_t bytes) {
        std::memcpy(guest, from.data() + offset, bytes);
    });
}

std::byte* DescriptorChain::take_last_writable_byte()
{
    if (writable.empty())
        return nullptr;
    GuestBuffer& last = writable.back();
    std::byte* byte = &last.back();
    last = last.first(last.size() - 1);
    if (last.empty())
        writable.pop_back();
    return byte;
}

} // namespace colinux
