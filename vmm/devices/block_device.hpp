// SPDX-License-Identifier: GPL-2.0
// BlockDevice: cobd, a disk of the guest, carried by virtio-blk (virtio 1.2, section 5.2).
//
// process() starts every request that is in the ring with one submission, then gives back what came
// back already; the rest follows when DiskIo's descriptor becomes readable. One interrupt per batch.
// A driver that does not negotiate FLUSH gets writes that are durable when they complete.
#pragma once

#include "control/disk_file.hpp"
#include "vmm/devices/block_request.hpp"
#include "vmm/devices/disk_overlay.hpp"
#include "vmm/sys/linux/disk_io.hpp"
#include "vmm/virtio/virtio_device.hpp"

#include <string>

namespace colinux {

class BlockDevice final : public VirtioDevice {
public:
    static constexpr std::uint16_t kQueueSize = 256;

    // `name`: "cobd0"; also the disk's serial number unless `serial` (at most 20 bytes) is given, so
    // /dev/disk/by-id/virtio-cobd0 exists in the guest. `notice` is for the guest's log.
    BlockDevice(std::string name, DiskFile disk, std::string serial = "", DiskEngine engine = DiskEngine::Best,
                DiskOverlay::Notice notice = nullptr);

    std::string name() const override { return name_; }
    std::uint32_t type() const override;
    std::uint64_t features() const override;
    std::vector<std::uint16_t> queue_sizes() const override { return {kQueueSize}; }
    std::vector<std::byte> config() const override;

    void attach(EventLoop& loop) override;
    void activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features) override;
    bool process(unsigned index) override;
    void reset() override;

private:
    void take(DescriptorChain& chain);
    bool in_range(std::uint64_t sector, std::uint64_t bytes) const;
    void start(BlockRequest::Kind kind, const DescriptorChain& chain, std::byte* status, std::uint64_t offset);
    void start_rest(std::uint32_t tag);
    bool read_only() const { return disk_.read_only() && !overlay_; }
    std::uint8_t free_ranges(DescriptorChain& chain, bool zero) const;
    int free_range(std::uint64_t offset, std::uint64_t bytes, bool zero, bool may_unmap) const;
    void collect();
    void completed(const DiskIo::Completion& done);
    void finish(std::uint16_t head, std::byte* status, std::uint8_t code, std::uint64_t written);

    std::string name_;
    DiskFile disk_;
    std::string serial_;
    DiskOverlay* overlay_{}; // io_, where the disk is a snapshot
    std::unique_ptr<DiskIo> io_;
    std::vector<BlockRequest> requests_; // a tag of io_ is an index in here
    std::vector<std::uint32_t> free_;
    Virtqueue* queue_{};
    DriverLink* link_{};
    bool durable_writes_{};
    EventLoop* loop_{}; // where io_ completes asynchronously
    bool armed_{};      // the loop watches io_
    DescriptorChain chain_;
};

} // namespace colinux
