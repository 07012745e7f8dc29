// SPDX-License-Identifier: GPL-2.0
// DescriptorChain: one request of the guest's driver, as checked pieces of guest memory. `readable` is
// what the driver wrote for us, `writable` is where our answer goes. The guest may still change the
// bytes while we look at them: copy once with read(), then validate the copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace colinux {

using GuestBuffer = std::span<std::byte>;

class DescriptorChain {
public:
    std::uint16_t head{}; // names the chain when it is given back
    std::vector<GuestBuffer> readable;
    std::vector<GuestBuffer> writable;

    void clear();
    std::uint64_t readable_bytes() const;
    std::uint64_t writable_bytes() const;

    // Copy from the front of `readable` (to the front of `writable`) and drop what was copied.
    // They return how many bytes that was: fewer than asked for when the chain is too short.
    std::size_t read(std::span<std::byte> to);
    std::size_t write(std::span<const std::byte> from);

    // Cut the last byte off `writable`, where virtio-blk wants its status; nullptr when there is none.
    std::byte* take_last_writable_byte();
};

// `object` of a trivially copyable type as bytes, for read() and write().
template <typename T>
std::span<std::byte> bytes_of(T& object)
{
    return std::as_writable_bytes(std::span{&object, 1});
}

} // namespace colinux
