// SPDX-License-Identifier: GPL-2.0
// BlockDevice on a temporary file, through the transport, with io_uring and without.
#include "tests/unit/devices/guest_with_disk.hpp"

#include "tests/fakes/temporary_file.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <gtest/gtest.h>

// What the synchronous engine makes durable, counted on its way to the kernel
static unsigned flushes, durable_writes;

extern "C" int fdatasync(int fd)
{
    ++flushes;
    return static_cast<int>(syscall(SYS_fdatasync, fd));
}

extern "C" ssize_t pwritev2(int fd, const iovec* pieces, int count, off_t offset, int flags)
{
    durable_writes += flags == RWF_DSYNC;
    return syscall(SYS_pwritev2, fd, pieces, count, offset, 0, flags);
}

namespace colinux {
namespace {

struct BlockDeviceTest : testing::TestWithParam<DiskEngine> {
    TemporaryFile file{1 << 20};
    GuestWithDisk disk{file.path(), false, GetParam()};
    FakeGuest& guest = disk.guest;
};

INSTANTIATE_TEST_SUITE_P(Engines, BlockDeviceTest, testing::Values(DiskEngine::Best, DiskEngine::Synchronous),
                         [](auto& info) { return info.param == DiskEngine::Best ? "Best" : "Synchronous"; });

TEST_P(BlockDeviceTest, ConfigTellsCapacityAndFeatures)
{
    auto* config = reinterpret_cast<virtio_blk_config*>(disk.driver.config());
    EXPECT_EQ(config->capacity, 2048u);
    EXPECT_EQ(config->blk_size, 512u);
    EXPECT_TRUE(disk.driver.page().device_features & kFlush);
    EXPECT_FALSE(disk.driver.page().device_features & 1ull << VIRTIO_BLK_F_RO);
}

TEST_P(BlockDeviceTest, ReadIsScattered)
{
    file.write(512 * 3, std::string(512, 'a') + std::string(1024, 'b'));
    ASSERT_TRUE(disk.driver.bring_up(kRing | kFlush));
    std::uint64_t first = guest.allocate(512), second = guest.allocate(1024);
    auto answer = disk.request(VIRTIO_BLK_T_IN, 3, {{first, 512, true}, {second, 1024, true}});
    EXPECT_EQ(answer.status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(answer.used_bytes, 1537u);
    EXPECT_EQ(guest.text_at(first, 512), std::string(512, 'a'));
    EXPECT_EQ(guest.text_at(second, 1024), std::string(1024, 'b'));
}

TEST_P(BlockDeviceTest, WriteIsGatheredAndFlushed)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing | kFlush));
    std::uint64_t text = guest.allocate_text(std::string(512, 'x') + std::string(512, 'y'));
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_OUT, 7, {{text, 512, false}, {text + 512, 512, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_FLUSH, 0, {}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(file.read(7 * 512, 1024), std::string(512, 'x') + std::string(512, 'y'));
}

TEST_P(BlockDeviceTest, WriteIsDurableWithoutFlushFeature)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    std::uint64_t text = guest.allocate_text(std::string(512, 'x'));
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_OUT, 0, {{text, 512, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(file.read(0, 512), std::string(512, 'x'));
}

TEST(DurableDiskTest, FlushIsAFlushAndWritesWithoutThatFeatureAreDurableThemselves)
{
    for (std::uint64_t feature : {kFlush, std::uint64_t{0}}) {
        TemporaryFile file{1 << 20};
        GuestWithDisk disk{file.path(), false, DiskEngine::Synchronous};
        ASSERT_TRUE(disk.driver.bring_up(kRing | feature));
        flushes = durable_writes = 0;
        std::uint64_t text = disk.guest.allocate(512);
        EXPECT_EQ(disk.request(VIRTIO_BLK_T_OUT, 0, {{text, 512, false}}).status, VIRTIO_BLK_S_OK);
        EXPECT_EQ(durable_writes, feature ? 0u : 1u);
        EXPECT_EQ(disk.request(VIRTIO_BLK_T_FLUSH, 0, {}).status, VIRTIO_BLK_S_OK);
        EXPECT_EQ(flushes, 1u);
    }
}

TEST_P(BlockDeviceTest, BatchComesBackWhole)
{
    for (int i = 0; i < 32; i++)
        file.write(i * 4096, std::string(4096, static_cast<char>('A' + i)));
    ASSERT_TRUE(disk.driver.bring_up(kRing | kFlush));
    std::uint64_t data = guest.allocate(32 * 4096);
    std::vector<std::uint64_t> statuses;
    for (unsigned i = 0; i < 32; i++)
        statuses.push_back(disk.queue_request(VIRTIO_BLK_T_IN, i * 8, {{data + i * 4096, 4096, true}}));
    VirtqUsedElem used;
    for (int i = 0; i < 32; i++)
        ASSERT_TRUE(disk.driver.finish_one(0, used));
    for (unsigned i = 0; i < 32; i++) {
        EXPECT_EQ(*guest.at(statuses[i]), std::byte{VIRTIO_BLK_S_OK});
        EXPECT_EQ(guest.text_at(data + i * 4096, 4096), std::string(4096, static_cast<char>('A' + i)));
    }
}

TEST_P(BlockDeviceTest, LargeReadSpansManyPieces)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing | kFlush, 256));
    std::vector<FakeBuffer> pieces(64, {guest.allocate(4096), 4096, true});
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 0, pieces).status, VIRTIO_BLK_S_OK);
}

TEST_P(BlockDeviceTest, SerialIsTheDisksName)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    std::uint64_t id = guest.allocate(VIRTIO_BLK_ID_BYTES);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_GET_ID, 0, {{id, VIRTIO_BLK_ID_BYTES, true}}).status, VIRTIO_BLK_S_OK);
    EXPECT_STREQ(guest.at<char>(id), "cobd0");
}

TEST_P(BlockDeviceTest, RequestsOutsideTheDiskFail)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    std::uint64_t data = guest.allocate(4096);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 2048, {{data, 512, true}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 2047, {{data, 1024, true}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_OUT, ~0ull, {{data, 512, false}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_OUT, 1ull << 55, {{data, 512, false}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 0, {{data, 100, true}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 0, {}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 2047, {{data, 512, true}}).status, VIRTIO_BLK_S_OK);
}

TEST_P(BlockDeviceTest, FileThatBecameShorterIsAnError)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    ASSERT_EQ(ftruncate(file.fd(), 512), 0);
    std::uint64_t data = guest.allocate(1024);
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, 0, {{data, 1024, true}}).status, VIRTIO_BLK_S_IOERR);
}

TEST_P(BlockDeviceTest, UnknownRequestIsUnsupported)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    EXPECT_EQ(disk.request(99, 0, {}).status, VIRTIO_BLK_S_UNSUPP);
}

TEST_P(BlockDeviceTest, DiscardAndWriteZeroesReadBackAsZero)
{
    file.write(0, std::string(16384, 'z'));
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    std::uint64_t range = guest.allocate(sizeof(virtio_blk_discard_write_zeroes));
    *guest.at<virtio_blk_discard_write_zeroes>(range) = {.sector = 0, .num_sectors = 8, .flags = 0};
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_WRITE_ZEROES, 0, {{range, 16, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(file.read(0, 4096), std::string(4096, '\0'));
    *guest.at<virtio_blk_discard_write_zeroes>(range) = {.sector = 8, .num_sectors = 8, .flags = 0};
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_DISCARD, 0, {{range, 16, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(file.read(8192, 8192), std::string(8192, 'z'));
    *guest.at<virtio_blk_discard_write_zeroes>(range) = {.sector = 2047, .num_sectors = 8, .flags = 0};
    EXPECT_EQ(disk.request(VIRTIO_BLK_T_DISCARD, 0, {{range, 16, false}}).status, VIRTIO_BLK_S_IOERR);
}

TEST_P(BlockDeviceTest, RequestWithoutStatusNeedsReset)
{
    ASSERT_TRUE(disk.driver.bring_up(kRing));
    disk.driver.queue(0).add({{guest.allocate(16), 16, false}});
    disk.driver.ring_doorbell();
    EXPECT_EQ(disk.driver.wait_interrupt(), 2u);
    EXPECT_EQ(disk.driver.log().size(), 1u);
}

TEST_P(BlockDeviceTest, ResetWithRequestsUnderWay)
{
    for (int round = 0; round < 20; round++) {
        ASSERT_TRUE(disk.driver.bring_up(kRing | kFlush));
        std::uint64_t data = guest.allocate(4096);
        for (unsigned i = 0; i < 32; i++)
            disk.queue_request(i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_FLUSH, 0, {{data, 4096, true}});
        disk.driver.ring_doorbell();
        ASSERT_EQ(disk.driver.reset(), 0u);
        std::uint16_t index = *disk.driver.queue(0).used_index();
        *guest.at(data) = std::byte{0x5a};
        usleep(1000);
        EXPECT_EQ(*guest.at(data), std::byte{0x5a});
        EXPECT_EQ(*disk.driver.queue(0).used_index(), index);
    }
}

TEST_P(BlockDeviceTest, ReadOnlyDiskRefusesWrites)
{
    TemporaryFile other{4096};
    other.write(0, "precious");
    GuestWithDisk read_only{other.path(), true, GetParam()};
    EXPECT_TRUE(read_only.driver.page().device_features & 1ull << VIRTIO_BLK_F_RO);
    ASSERT_TRUE(read_only.driver.bring_up(kRing | kFlush));
    std::uint64_t text = read_only.guest.allocate(512);
    EXPECT_EQ(read_only.request(VIRTIO_BLK_T_OUT, 0, {{text, 512, false}}).status, VIRTIO_BLK_S_IOERR);
    EXPECT_EQ(read_only.request(VIRTIO_BLK_T_FLUSH, 0, {}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(read_only.request(VIRTIO_BLK_T_IN, 0, {{text, 512, true}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(read_only.guest.text_at(text, 8), "precious");
    EXPECT_EQ(other.read(0, 8), "precious");
}

} // namespace
} // namespace colinux
