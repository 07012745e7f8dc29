// SPDX-License-Identifier: GPL-2.0
// Any ring: whatever pop() yields must lie in guest memory (touched here, so that ASan sees it).
#include "tests/fuzz/fuzz_guest.hpp"

using namespace colinux;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    if (bytes < 12)
        return 0;
    std::uint64_t features = (data[0] & 1ull) << VIRTIO_F_EVENT_IDX | (data[0] >> 1 & 1ull) << VIRTIO_F_INDIRECT_DESC;
    Virtqueue::Layout layout = FuzzGuest::layout(0);
    if (data[0] & 4) { // the layout, too
        layout.size = static_cast<std::uint16_t>(1u << (data[1] % 17));
        layout.descriptors = data[2] << 8 | data[3];
        layout.available = data[4] << 8 | data[5];
        layout.used = data[6] << 8 | data[7];
    }
    FuzzGuest guest{{data + 8, bytes - 8}};
    try {
        Virtqueue queue{guest.memory(), layout, features};
        DescriptorChain chain;
        for (int i = 0; i < 64 && queue.pop_or_expect_doorbell(chain); i++) {
            std::byte head[32];
            chain.read(head);
            if (std::byte* last = chain.take_last_writable_byte())
                *last = std::byte{1};
            for (GuestBuffer buffer : chain.writable)
                buffer.front() = buffer.back();
            queue.push_used(chain.head, 1);
            queue.wants_interrupt();
        }
    } catch (const RingError&) {
    }
    return 0;
}
