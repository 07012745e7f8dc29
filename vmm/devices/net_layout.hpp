// SPDX-License-Identifier: GPL-2.0
// What virtio-net puts in memory, by the names of virtio 1.2, section 5.1. (The kernel's
// linux/virtio_net.h does not compile as C++.)
#pragma once

#include <cstdint>

namespace colinux {

inline constexpr unsigned VIRTIO_NET_F_CSUM = 0;       // the device fills in checksums
inline constexpr unsigned VIRTIO_NET_F_GUEST_CSUM = 1; // the driver takes frames whose checksum is known to be good, or not filled in
inline constexpr unsigned VIRTIO_NET_F_MTU = 3;
inline constexpr unsigned VIRTIO_NET_F_MAC = 5;
inline constexpr unsigned VIRTIO_NET_F_GUEST_TSO4 = 7; // the driver takes TCP segments that are longer than a packet
inline constexpr unsigned VIRTIO_NET_F_GUEST_TSO6 = 8;
inline constexpr unsigned VIRTIO_NET_F_HOST_TSO4 = 11; // the device does
inline constexpr unsigned VIRTIO_NET_F_HOST_TSO6 = 12;
inline constexpr unsigned VIRTIO_NET_F_MRG_RXBUF = 15; // one received frame may lie in several buffers
inline constexpr unsigned VIRTIO_NET_F_STATUS = 16;
inline constexpr std::uint16_t VIRTIO_NET_S_LINK_UP = 1;
inline constexpr std::uint8_t VIRTIO_NET_HDR_F_DATA_VALID = 2;
inline constexpr std::uint8_t VIRTIO_NET_HDR_GSO_NONE = 0;

struct VirtioNetHdr { // virtio_net_hdr, before each frame in both directions
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t hdr_len;
    std::uint16_t gso_size;
    std::uint16_t csum_start;
    std::uint16_t csum_offset;
    std::uint16_t num_buffers; // of a received frame; 1 without VIRTIO_NET_F_MRG_RXBUF
};
static_assert(sizeof(VirtioNetHdr) == 12);

struct VirtioNetConfig { // virtio_net_config, the part that our features make valid
    std::uint8_t mac[6];
    std::uint16_t status;
    std::uint16_t max_virtqueue_pairs;
    std::uint16_t mtu;
};
static_assert(sizeof(VirtioNetConfig) == 12);

} // namespace colinux
