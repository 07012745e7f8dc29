// SPDX-License-Identifier: GPL-2.0
// BlockRequest: one read, write or flush of a cobd disk on its way through DiskIo. The pieces are guest
// memory: data goes between the file and the guest without a copy.
#pragma once

#include "vmm/virtio/descriptor_chain.hpp"

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <vector>

namespace colinux {

struct BlockRequest {
    enum class Kind { Read, Write, Flush };

    Kind kind{};
    std::uint16_t head{};    // of its descriptor chain
    std::byte* status{};     // where the driver reads VIRTIO_BLK_S_*
    std::uint64_t offset{};  // of the next byte, in the file
    std::uint64_t done{};    // bytes moved so far
    std::vector<iovec> pieces; // kept from request to request: no allocation in the long run
    std::size_t first{};       // pieces before this one are done

    void take_pieces(const std::vector<GuestBuffer>& buffers)
    {
        pieces.clear();
        first = 0;
        done = 0;
        for (GuestBuffer buffer : buffers)
            pieces.push_back({buffer.data(), buffer.size()});
    }

    std::span<const iovec> rest() const { return std::span{pieces}.subspan(first); }

    // `bytes` more are done; true when nothing is left.
    bool advance(std::uint64_t bytes)
    {
        offset += bytes;
        done += bytes;
        while (first < pieces.size() && bytes >= pieces[first].iov_len)
            bytes -= pieces[first++].iov_len;
        if (first == pieces.size())
            return true;
        pieces[first].iov_base = static_cast<std::byte*>(pieces[first].iov_base) + bytes;
        pieces[first].iov_len -= bytes;
        return false;
    }
};

} // namespace colinux
