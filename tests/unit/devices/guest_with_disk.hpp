// SPDX-License-Identifier: GPL-2.0
// GuestWithDisk: a guest with one cobd disk, through the transport.
#pragma once

#include "tests/fakes/fake_transport_driver.hpp"
#include "vmm/devices/block_device.hpp"

#include <linux/virtio_blk.h>

#include <gtest/gtest.h>

namespace colinux {

inline constexpr std::uint64_t kRing = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_INDIRECT_DESC;
inline constexpr std::uint64_t kFlush = 1ull << VIRTIO_BLK_F_FLUSH;

struct GuestWithDisk {
    GuestWithDisk(const char* path, bool read_only, DiskEngine engine)
        : GuestWithDisk{std::make_unique<BlockDevice>("cobd0", DiskFile::open({path, read_only}), "", engine)}
    {
    }
    explicit GuestWithDisk(std::unique_ptr<BlockDevice> device) : driver{guest, std::move(device)} {}

    struct Answer {
        std::uint8_t status;
        std::uint32_t used_bytes;
    };
    Answer request(std::uint32_t type, std::uint64_t sector, std::vector<FakeBuffer> data)
    {
        VirtqUsedElem used{};
        std::uint64_t status = queue_request(type, sector, std::move(data));
        EXPECT_TRUE(driver.finish_one(0, used));
        return {static_cast<std::uint8_t>(*guest.at(status)), used.len};
    }
    std::uint64_t queue_request(std::uint32_t type, std::uint64_t sector, std::vector<FakeBuffer> data)
    {
        std::uint64_t header = guest.allocate(sizeof(virtio_blk_outhdr));
        std::uint64_t status = guest.allocate(1);
        *guest.at<virtio_blk_outhdr>(header) = {.type = type, .ioprio = 0, .sector = sector};
        *guest.at(status) = std::byte{0xff};
        data.insert(data.begin(), {header, sizeof(virtio_blk_outhdr), false});
        data.push_back({status, 1, true});
        driver.queue(0).add_indirect(data);
        return status;
    }

    FakeGuest guest{16 << 20};
    FakeTransportDriver driver;
};

} // namespace colinux
