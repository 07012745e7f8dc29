// SPDX-License-Identifier: GPL-2.0
// A disk with ",snapshot": the guest reads what it wrote, and the image stays as it is.
#include "tests/unit/devices/guest_with_disk.hpp"

#include "control/failure.hpp"
#include "tests/fakes/temporary_file.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>

#include <gtest/gtest.h>

#include <random>

namespace colinux {
namespace {

constexpr unsigned kSectors = 2048, kSeed = 13;

std::string sector_of(char c) { return std::string(512, c); }

struct DiskOverlayTest : testing::TestWithParam<DiskEngine> {
    DiskOverlayTest()
    {
        file.write(0, std::string(kSectors * 512, 'b'));
        device = disk_on(GetParam());
    }
    std::unique_ptr<GuestWithDisk> disk_on(DiskEngine engine)
    {
        DiskConfig config{file.path()};
        config.snapshot = true;
        auto made = std::make_unique<GuestWithDisk>(std::make_unique<BlockDevice>("cobd0", DiskFile::open(config), "", engine,
                                                                                  [this](const std::string& text) { said.push_back(text); }));
        EXPECT_TRUE(made->driver.bring_up(kRing | kFlush, 256));
        return made;
    }
    std::uint8_t write(GuestWithDisk& disk, unsigned sector, const std::string& text)
    {
        return disk.request(VIRTIO_BLK_T_OUT, sector, {{disk.guest.allocate_text(text), static_cast<std::uint32_t>(text.size()), false}}).status;
    }
    std::string read(GuestWithDisk& disk, unsigned sector, unsigned count)
    {
        std::uint64_t half = disk.guest.allocate(count * 512);
        std::uint32_t first = count * 512 / 2;
        EXPECT_EQ(disk.request(VIRTIO_BLK_T_IN, sector, {{half, first, true}, {half + first, count * 512 - first, true}}).status, VIRTIO_BLK_S_OK);
        return disk.guest.text_at(half, count * 512);
    }
    bool untouched() const { return file.read(0, kSectors * 512) == std::string(kSectors * 512, 'b'); }

    TemporaryFile file{kSectors * 512};
    std::vector<std::string> said;
    std::unique_ptr<GuestWithDisk> device;
};

INSTANTIATE_TEST_SUITE_P(Engines, DiskOverlayTest, testing::Values(DiskEngine::Best, DiskEngine::Synchronous),
                         [](auto& info) { return info.param == DiskEngine::Best ? "Best" : "Synchronous"; });

TEST_P(DiskOverlayTest, GuestReadsWhatItWroteAndTheImageStays)
{
    EXPECT_FALSE(device->driver.page().device_features & 1ull << VIRTIO_BLK_F_RO);
    EXPECT_EQ(write(*device, 3, sector_of('w')), VIRTIO_BLK_S_OK);
    EXPECT_EQ(write(*device, 5, sector_of('x') + sector_of('y')), VIRTIO_BLK_S_OK);
    EXPECT_EQ(device->request(VIRTIO_BLK_T_FLUSH, 0, {}).status, VIRTIO_BLK_S_OK);
    std::string seen = read(*device, 2, 6);
    EXPECT_EQ(seen, sector_of('b') + sector_of('w') + sector_of('b') + sector_of('x') + sector_of('y') + sector_of('b'));
    EXPECT_TRUE(untouched());
}

TEST_P(DiskOverlayTest, TwoGuestsHaveOneImage)
{
    auto other = disk_on(GetParam());
    EXPECT_EQ(write(*device, 0, sector_of('1')), VIRTIO_BLK_S_OK);
    EXPECT_EQ(write(*other, 0, sector_of('2')), VIRTIO_BLK_S_OK);
    EXPECT_EQ(read(*device, 0, 2), sector_of('1') + sector_of('b'));
    EXPECT_EQ(read(*other, 0, 2), sector_of('2') + sector_of('b'));
}

TEST_P(DiskOverlayTest, RandomWritesReadBack)
{
    std::minstd_rand random{kSeed};
    std::string wanted(kSectors * 512, 'b');
    for (unsigned round = 0; round < 300; round++) {
        auto count = static_cast<unsigned>(1 + random() % 9), sector = static_cast<unsigned>(random() % (kSectors - count));
        std::string text(count * 512, static_cast<char>('A' + round % 26));
        ASSERT_EQ(write(*device, sector, text), VIRTIO_BLK_S_OK);
        wanted.replace(sector * 512, text.size(), text);
    }
    for (unsigned sector = 0; sector < kSectors; sector += 256)
        ASSERT_EQ(read(*device, sector, 256), wanted.substr(sector * 512, 256 * 512)) << sector;
    EXPECT_TRUE(untouched());
}

TEST_P(DiskOverlayTest, ZeroesAreTheGuestsAndWhatItDiscardsIsForgotten)
{
    std::uint64_t range = device->guest.allocate(sizeof(virtio_blk_discard_write_zeroes));
    *device->guest.at<virtio_blk_discard_write_zeroes>(range) = {.sector = 60, .num_sectors = 70, .flags = 0};
    EXPECT_EQ(device->request(VIRTIO_BLK_T_WRITE_ZEROES, 0, {{range, 16, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(device->request(VIRTIO_BLK_T_DISCARD, 0, {{range, 16, false}}).status, VIRTIO_BLK_S_OK);
    EXPECT_EQ(read(*device, 58, 74), std::string(1024, 'b') + std::string(70 * 512, '\0') + std::string(1024, 'b'));
    EXPECT_TRUE(untouched());
}

TEST_P(DiskOverlayTest, BatchOfBothFilesComesBackWhole)
{
    for (unsigned i = 0; i < 32; i += 2)
        ASSERT_EQ(write(*device, i, sector_of(static_cast<char>('A' + i))), VIRTIO_BLK_S_OK);
    std::uint64_t data = device->guest.allocate(32 * 512);
    for (unsigned i = 0; i < 32; i++)
        device->queue_request(VIRTIO_BLK_T_IN, i, {{data + i * 512, 512, true}});
    VirtqUsedElem used;
    for (unsigned i = 0; i < 32; i++)
        ASSERT_TRUE(device->driver.finish_one(0, used));
    for (unsigned i = 0; i < 32; i++)
        EXPECT_EQ(device->guest.text_at(data + i * 512, 512), sector_of(i % 2 ? 'b' : static_cast<char>('A' + i)));
}

TEST(DiskOverlayFolder, WhereThereIsNoPlaceForItIsAnErrorWithItsCure)
{
    setenv("TMPDIR", "/no/such/folder", 1);
    try {
        DiskFile::temporary(4096);
        ADD_FAILURE() << "accepted";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::NoOverlay);
        EXPECT_NE(std::string{failure.what()}.find("set TMPDIR"), std::string::npos);
    }
    unsetenv("TMPDIR");
}

// A DiskFile that is full: of no file system, but writes fail as there
TEST(DiskOverlayFull, IsAnErrorToTheGuestAndOneLine)
{
    TemporaryFile file{8192};
    file.write(0, std::string(8192, 'b'));
    DiskFile base = DiskFile::open({file.path(), true}), full = DiskFile::temporary(8192);
    int device = open("/dev/full", O_RDWR | O_CLOEXEC);
    ASSERT_EQ(dup2(device, full.fd()), full.fd());
    close(device);
    std::vector<std::string> said;
    DiskOverlay overlay{base, 4, DiskEngine::Synchronous, [&](const std::string& text) { said.push_back(text); }, std::move(full)};
    std::string bytes(512, 'w');
    iovec piece{bytes.data(), bytes.size()};
    DiskIo::Completion done{};
    for (int i = 0; i < 3; i++) {
        overlay.write(0, {&piece, 1}, 0, false);
        ASSERT_TRUE(overlay.next(done));
        EXPECT_EQ(done.result, -ENOSPC);
    }
    ASSERT_EQ(said.size(), 1u);
    EXPECT_NE(said[0].find("No space left"), std::string::npos);
    overlay.read(0, {&piece, 1}, 0);
    ASSERT_TRUE(overlay.next(done));
    EXPECT_EQ(bytes, std::string(512, 'b'));
}

} // namespace
} // namespace colinux
