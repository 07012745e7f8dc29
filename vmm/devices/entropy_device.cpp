// SPDX-License-Identifier: GPL-2.0
// EntropyDevice on getrandom(2).
#include "vmm/devices/entropy_device.hpp"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#include <algorithm>

namespace colinux {
namespace {

constexpr std::size_t kMaxPerRequest = 4096; // a driver asks for 64 or so; a hostile one gets no more

// How many bytes of `chain` are random now.
std::uint32_t fill(const DescriptorChain& chain)
{
    std::size_t done = 0;
    for (GuestBuffer buffer : chain.writable) {
        std::size_t wanted = std::min(buffer.size(), kMaxPerRequest - done);
        ssize_t got = wanted ? getrandom(buffer.data(), wanted, 0) : 0;
        if (got > 0)
            done += static_cast<std::size_t>(got);
        if (got < static_cast<ssize_t>(buffer.size()))
            break;
    }
    return static_cast<std::uint32_t>(done);
}

} // namespace

std::uint32_t EntropyDevice::type() const { return VIRTIO_ID_RNG; }

void EntropyDevice::activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t)
{
    queue_ = queues[0];
    link_ = &link;
}

bool EntropyDevice::process(unsigned)
{
    bool more = queue_->drain(chain_, [this](DescriptorChain& chain) { queue_->push_used(chain.head, fill(chain)); });
    notify_driver(*queue_, *link_);
    return more;
}

void EntropyDevice::reset() { queue_ = nullptr; }

} // namespace colinux
