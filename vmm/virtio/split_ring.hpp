// SPDX-License-Identifier: GPL-2.0
// The split virtqueue as it lies in guest memory, by the names of virtio 1.2, section 2.7. (The
// kernel's linux/virtio_ring.h does not compile as C++.)
#pragma once

#include <cstdint>

namespace colinux {

struct VirtqDesc { // virtq_desc; a table of these, aligned to 16 bytes
    std::uint64_t addr;
    std::uint32_t len;
    std::uint16_t flags;
    std::uint16_t next;
};
static_assert(sizeof(VirtqDesc) == 16);

struct VirtqUsedElem { // virtq_used_elem
    std::uint32_t id;
    std::uint32_t len;
};

// The available ring is u16 flags, idx, ring[size], used_event; the used ring is u16 flags, idx, then
// VirtqUsedElem ring[size], then u16 avail_event.
constexpr std::uint64_t available_bytes(std::uint64_t size) { return 6 + 2 * size; }
constexpr std::uint64_t used_bytes(std::uint64_t size) { return 6 + sizeof(VirtqUsedElem) * size; }

inline constexpr std::uint16_t VIRTQ_DESC_F_NEXT = 1;
inline constexpr std::uint16_t VIRTQ_DESC_F_WRITE = 2;
inline constexpr std::uint16_t VIRTQ_DESC_F_INDIRECT = 4;
inline constexpr std::uint16_t VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
inline constexpr std::uint16_t VIRTQ_USED_F_NO_NOTIFY = 1;
inline constexpr unsigned VIRTIO_F_INDIRECT_DESC = 28;
inline constexpr unsigned VIRTIO_F_EVENT_IDX = 29;

// Section 2.7.7.2: moving the index from `before` to `now` passes `event`.
constexpr bool event_is_passed(std::uint16_t event, std::uint16_t now, std::uint16_t before)
{
    return static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
}

} // namespace colinux
