// SPDX-License-Identifier: GPL-2.0
// NetBackend: what is at the other end of a conet cable. All calls come on the device's thread.
#pragma once

#include "vmm/devices/frame_queue.hpp"
#include "vmm/virtio/descriptor_chain.hpp"

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace colinux {

class EventLoop;

class NetBackend {
public:
    virtual ~NetBackend() = default;

    // The largest IP packet in either direction, but for segments that the other side is to cut. Constant.
    virtual std::uint16_t mtu() const = 0;

    // VIRTIO_NET_F_* that this end adds to the card's own: checksums and segmentation that it takes over. Constant.
    virtual std::uint64_t features() const { return 0; }
    // Those that the driver has taken; 0 when it has let go of the card.
    virtual void accept(std::uint64_t) {}

    // As VirtioDevice::attach(). `arrived` is called when frames came into received() outside send(), or when receive_into() may
    // have one again.
    virtual void attach(EventLoop& loop, std::function<void()> arrived) = 0;

    // One whole Ethernet frame from the guest, in our own memory. `header` is as the guest wrote it, checked by nobody.
    virtual void send(const VirtioNetHdr& header, std::span<const std::byte> frame) = 0;

    // An end that copies each frame itself, once, before it looks at it, takes it as it lies in the guest's memory, where it may still
    // change. False: it wants send().
    virtual bool send_from(const VirtioNetHdr&, std::span<const GuestBuffer>) { return false; }
    // The same for frames to the guest: whether they wait at this end until they are asked for, instead of in received() ...
    virtual bool keeps_frames() const { return false; }
    // ... and the next one, with the header into its own place; as many bytes as it has, cut off where `to` ends. None: `arrived` tells
    // when there is one again.
    virtual std::optional<std::size_t> receive_into(VirtioNetHdr&, std::span<const iovec>) { return {}; }

    FrameQueue& received() { return received_; }

protected:
    FrameQueue received_;
};

} // namespace colinux
