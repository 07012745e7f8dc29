// SPDX-License-Identifier: GPL-2.0
// BlockDevice: requests in, completions out.
#include "vmm/devices/block_device.hpp"

#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/virtio/ring_error.hpp"

#include <linux/virtio_blk.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

namespace colinux {
namespace {

constexpr unsigned kSectorShift = 9;
constexpr std::uint32_t kMaxRanges = 32;                // of one discard or write-zeroes request
constexpr std::uint32_t kMaxDiscardSectors = 1u << 22;  // 2 GiB
constexpr std::uint32_t kMaxZeroSectors = 1u << 16;     // 32 MiB: may have to be written

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

} // namespace

BlockDevice::BlockDevice(std::string name, DiskFile disk, std::string serial, DiskEngine engine, DiskOverlay::Notice notice)
    : name_{std::move(name)},
      disk_{std::move(disk)},
      serial_{serial.empty() ? name_ : std::move(serial)},
      requests_(kQueueSize),
      free_(kQueueSize)
{
    std::iota(free_.rbegin(), free_.rend(), 0u);
    if (!disk_.snapshot()) {
        io_ = make_disk_io(disk_.fd(), kQueueSize, engine);
        return;
    }
    auto tell = [name = name_, notice = std::move(notice)](const std::string& text) {
        if (notice)
            notice(name + ": " + text);
    };
    auto overlay = std::make_unique<DiskOverlay>(disk_, kQueueSize, engine, tell, DiskFile::temporary(disk_.bytes()));
    overlay_ = overlay.get();
    io_ = std::move(overlay);
}

std::uint32_t BlockDevice::type() const { return VIRTIO_ID_BLOCK; }

std::uint64_t BlockDevice::features() const
{
    std::uint64_t common = bit(VIRTIO_BLK_F_SEG_MAX) | bit(VIRTIO_BLK_F_BLK_SIZE) | bit(VIRTIO_BLK_F_FLUSH);
    if (read_only())
        return common | bit(VIRTIO_BLK_F_RO);
    return common | bit(VIRTIO_BLK_F_DISCARD) | bit(VIRTIO_BLK_F_WRITE_ZEROES);
}

std::vector<std::byte> BlockDevice::config() const
{
    virtio_blk_config config{};
    config.capacity = disk_.bytes() >> kSectorShift;
    config.seg_max = kQueueSize - 2; // header and status
    config.blk_size = disk_.block_size();
    config.max_discard_sectors = kMaxDiscardSectors;
    config.max_discard_seg = kMaxRanges;
    config.discard_sector_alignment = 4096 >> kSectorShift;
    config.max_write_zeroes_sectors = kMaxZeroSectors;
    config.max_write_zeroes_seg = kMaxRanges;
    config.write_zeroes_may_unmap = 1;
    auto bytes = bytes_of(config);
    return {bytes.begin(), bytes.end()};
}

void BlockDevice::attach(EventLoop& loop)
{
    if (io_->ready_fd() < 0)
        return;
    loop_ = &loop;
    armed_ = false;
    loop.watch_armed(io_->ready_fd(), [this] {
        armed_ = false;
        collect();
    });
}

void BlockDevice::activate(std::vector<Virtqueue*> queues, DriverLink& link, std::uint64_t features)
{
    queue_ = queues[0];
    link_ = &link;
    durable_writes_ = !(features & bit(VIRTIO_BLK_F_FLUSH));
}

bool BlockDevice::process(unsigned)
{
    bool more = queue_->drain(chain_, [this](DescriptorChain& chain) { take(chain); });
    io_->submit();
    collect();
    return more;
}

void BlockDevice::reset()
{
    io_->submit();
    DiskIo::Completion done;
    while (free_.size() < requests_.size()) {
        if (!io_->next(done)) {
            io_->wait();
            continue;
        }
        free_.push_back(done.tag);
    }
    queue_ = nullptr;
}

void BlockDevice::take(DescriptorChain& chain)
{
    virtio_blk_outhdr header{};
    std::byte* status = chain.take_last_writable_byte();
    if (!status || chain.read(bytes_of(header)) != sizeof header)
        throw RingError{"block request without header or status"};

    switch (header.type) {
    case VIRTIO_BLK_T_IN:
        if (!in_range(header.sector, chain.writable_bytes()))
            return finish(chain.head, status, VIRTIO_BLK_S_IOERR, 0);
        return start(BlockRequest::Kind::Read, chain, status, header.sector << kSectorShift);
    case VIRTIO_BLK_T_OUT:
        if (read_only() || !in_range(header.sector, chain.readable_bytes()))
            return finish(chain.head, status, VIRTIO_BLK_S_IOERR, 0);
        return start(BlockRequest::Kind::Write, chain, status, header.sector << kSectorShift);
    case VIRTIO_BLK_T_FLUSH:
        if (read_only())
            return finish(chain.head, status, VIRTIO_BLK_S_OK, 0);
        return start(BlockRequest::Kind::Flush, chain, status, 0);
    case VIRTIO_BLK_T_GET_ID: {
        char id[VIRTIO_BLK_ID_BYTES]{};
        std::memcpy(id, serial_.data(), std::min(serial_.size(), sizeof id));
        std::size_t written = chain.write(bytes_of(id));
        return finish(chain.head, status, VIRTIO_BLK_S_OK, written);
    }
    case VIRTIO_BLK_T_DISCARD:
        return finish(chain.head, status, free_ranges(chain, false), 0);
    case VIRTIO_BLK_T_WRITE_ZEROES:
        return finish(chain.head, status, free_ranges(chain, true), 0);
    default:
        return finish(chain.head, status, VIRTIO_BLK_S_UNSUPP, 0);
    }
}

bool BlockDevice::in_range(std::uint64_t sector, std::uint64_t bytes) const
{
    std::uint64_t capacity = disk_.bytes() >> kSectorShift;
    std::uint64_t sectors = bytes >> kSectorShift;
    return bytes % (1u << kSectorShift) == 0 && sectors > 0 && sector <= capacity && sectors <= capacity - sector;
}

void BlockDevice::start(BlockRequest::Kind kind, const DescriptorChain& chain, std::byte* status, std::uint64_t offset)
{
    if (free_.empty())
        throw RingError{"more block requests under way than the queue has entries"};
    std::uint32_t tag = free_.back();
    free_.pop_back();
    BlockRequest& request = requests_[tag];
    request.kind = kind;
    request.head = chain.head;
    request.status = status;
    request.offset = disk_.start() + offset;
    request.take_pieces(kind == BlockRequest::Kind::Read ? chain.writable : chain.readable);
    start_rest(tag);
}

void BlockDevice::start_rest(std::uint32_t tag)
{
    const BlockRequest& request = requests_[tag];
    switch (request.kind) {
    case BlockRequest::Kind::Read:
        return io_->read(tag, request.rest(), request.offset);
    case BlockRequest::Kind::Write:
        return io_->write(tag, request.rest(), request.offset, durable_writes_);
    case BlockRequest::Kind::Flush:
        return io_->flush(tag);
    }
}

std::uint8_t BlockDevice::free_ranges(DescriptorChain& chain, bool zero) const
{
    if (read_only() || chain.readable_bytes() > kMaxRanges * sizeof(virtio_blk_discard_write_zeroes))
        return VIRTIO_BLK_S_IOERR;
    virtio_blk_discard_write_zeroes range{};
    std::size_t taken;
    while ((taken = chain.read(bytes_of(range))) == sizeof range) {
        std::uint64_t bytes = std::uint64_t{range.num_sectors} << kSectorShift;
        std::uint32_t known_flags = zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
        if (range.flags & ~known_flags)
            return VIRTIO_BLK_S_UNSUPP;
        if (range.num_sectors > (zero ? kMaxZeroSectors : kMaxDiscardSectors) || !in_range(range.sector, bytes))
            return VIRTIO_BLK_S_IOERR;
        if (free_range(range.sector << kSectorShift, bytes, zero, range.flags != 0))
            return VIRTIO_BLK_S_IOERR;
    }
    return taken == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

int BlockDevice::free_range(std::uint64_t offset, std::uint64_t bytes, bool zero, bool may_unmap) const
{
    if (overlay_)
        return zero ? overlay_->write_zeroes(offset, bytes) : overlay_->discard(offset, bytes);
    return zero ? disk_.write_zeroes(offset, bytes, may_unmap) : disk_.discard(offset, bytes);
}

void BlockDevice::collect()
{
    if (!queue_)
        return;
    DiskIo::Completion done;
    while (io_->next(done))
        completed(done);
    io_->submit(); // the rest of what came back short
    notify_driver(*queue_, *link_);
    // What the page cache holds has come back by now: only a request that waits for a medium needs a wakeup.
    if (loop_ && !armed_ && free_.size() < requests_.size()) {
        armed_ = true;
        loop_->arm(io_->ready_fd());
    }
}

void BlockDevice::completed(const DiskIo::Completion& done)
{
    BlockRequest& request = requests_[done.tag];
    bool flush = request.kind == BlockRequest::Kind::Flush;
    if (done.result == -EINTR || done.result == -EAGAIN)
        return start_rest(done.tag);
    if (done.result > 0 && !flush && !request.advance(static_cast<std::uint64_t>(done.result)))
        return start_rest(done.tag);
    bool good = flush ? done.result == 0 : done.result > 0; // 0 bytes: the file became shorter
    free_.push_back(done.tag);
    finish(request.head, request.status, good ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR,
           request.kind == BlockRequest::Kind::Read ? request.done : 0);
}

void BlockDevice::finish(std::uint16_t head, std::byte* status, std::uint8_t code, std::uint64_t written)
{
    *status = std::byte{code};
    queue_->push_used(head, static_cast<std::uint32_t>(written + 1));
}

} // namespace colinux
