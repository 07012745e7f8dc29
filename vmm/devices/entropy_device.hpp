// SPDX-License-Identifier: GPL-2.0
// EntropyDevice: virtio-rng (virtio 1.2, section 5.4). Fills every buffer from the host's random pool.
#pragma once

#include "vmm/virtio/virtio_device.hpp"

namespace colinux {

class EntropyDevice final : public VirtioDevice {
public:
    std::string name() const override { return "entropy"; }
    std::uint32_t type() const override;
    std::uint64_t features() const override { return 0; }
    std::vector<std::uint16_t> queue_sizes() const override { return {64}; }

    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned index) override;
    void reset() override;

private:
    Virtqueue* queue_{};
    DriverLink* link_{};
    DescriptorChain chain_;
};

} // namespace colinux
