// SPDX-License-Identifier: GPL-2.0
// Images that are no raw disk, and partitions.
#include "control/disk_content.hpp"
#include "control/disk_file.hpp"
#include "control/failure.hpp"
#include "tests/fakes/temporary_file.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace colinux {
namespace {

using namespace std::string_literals;

constexpr std::uint64_t kMiB = 1 << 20;

struct Refusal {
    ExitCode code{};
    std::string text;
    bool says(const std::string& words) const { return text.find(words) != std::string::npos; }
};
Refusal refusal(const DiskConfig& disk)
{
    try {
        DiskFile::open(disk, std::chrono::milliseconds{0});
    } catch (const Failure& failure) {
        return {failure.code(), failure.what()};
    }
    return {};
}

struct Format {
    const char* name;
    off_t offset;
    std::string bytes;
    const char* command;
};
class ForeignFormatTest : public testing::TestWithParam<Format> {};
TEST_P(ForeignFormatTest, IsRefusedByNameWithItsConversion)
{
    TemporaryFile file{kMiB};
    file.write(GetParam().offset, GetParam().bytes);
    Refusal refused = refusal({file.path()});
    EXPECT_EQ(refused.code, ExitCode::DiskFormat);
    EXPECT_TRUE(refused.says("is "s + GetParam().name + ",")) << refused.text;
    EXPECT_TRUE(refused.says(GetParam().command)) << refused.text;
    EXPECT_EQ(refusal({file.path(), true}).code, ExitCode::DiskFormat);
    EXPECT_EQ(refusal({.path = file.path(), .raw = true}).code, ExitCode::Success);
}
INSTANTIATE_TEST_SUITE_P(
    Formats, ForeignFormatTest,
    testing::Values(Format{"qcow2", 0, "QFI\xfb\0\0\0\3"s, "qemu-img convert -f qcow2 -O raw /tmp"}, Format{"vmdk", 0, "KDMV", "-f vmdk"},
                    Format{"vmdk", 0, "# Disk DescriptorFile\nversion=1", "-f vmdk"}, Format{"vhd", kMiB - 512, "conectix", "-f vpc"},
                    Format{"vhd", 0, "conectix", "-f vpc"}, Format{"vhdx", 0, "vhdxfile", "-f vhdx"},
                    Format{"vdi", 64, "\x7f\x10\xda\xbe", "-f vdi"}, Format{"gzip", 0, "\x1f\x8b\x08", "zcat </tmp"},
                    Format{"xz", 0, "\xfd" "7zXZ\0"s, "xzcat </tmp"}, Format{"zstd", 0, "\x28\xb5\x2f\xfd", "zstdcat </tmp"}),
    [](auto& info) { return info.param.name + std::to_string(info.index); });

TEST(DiskFormat, NameOfTheRawImageComesFromTheOld)
{
    TemporaryFile file{512};
    file.write(0, "\x1f\x8b\x08");
    EXPECT_EQ(foreign_format(file.fd(), 512, "/a/debian.raw.gz")->conversion, "zcat </a/debian.raw.gz >/a/debian.raw");
    EXPECT_EQ(foreign_format(file.fd(), 512, "/a b/disk.raw")->conversion, "zcat <'/a b/disk.raw' >'/a b/disk.raw.raw'");
}

TEST(DiskFormat, SizeThatIsNoMultipleOf512HasItsCure)
{
    Refusal refused = refusal({TemporaryFile{1000}.path()});
    EXPECT_EQ(refused.code, ExitCode::DiskUnfit);
    EXPECT_TRUE(refused.says("truncate -s %512 /tmp"));
}

// An MBR with partitions 1 (1 MiB at 1 MiB, with an ext2 superblock's magic) and 2 (at 2 MiB, of `second_sectors`).
class Partitioned : public testing::Test {
protected:
    Partitioned()
    {
        entry(0, 2048, 2048);
        entry(1, 4096, 2048);
        file_.write(510, "\x55\xaa");
    }
    void entry(int index, std::uint32_t start, std::uint32_t sectors) const
    {
        std::string bytes(16, '\0');
        bytes[4] = '\x83';
        memcpy(&bytes[8], &start, 4);
        memcpy(&bytes[12], &sectors, 4);
        file_.write(446 + index * 16, bytes);
    }
    std::string path() const { return file_.path(); }

    TemporaryFile file_{3 * kMiB};
};

TEST_F(Partitioned, PartitionIsADiskOfItsOwn)
{
    file_.write(2 * kMiB, "second");
    DiskFile disk = DiskFile::open({.path = path(), .partition = 2});
    EXPECT_EQ(disk.start(), 2 * kMiB);
    EXPECT_EQ(disk.bytes(), kMiB);
    EXPECT_EQ(disk.write_zeroes(0, 512, false), 0);
    EXPECT_EQ(file_.read(2 * kMiB, 6), std::string(6, '\0'));
    EXPECT_EQ(file_.read(510, 2), "\x55\xaa");
}

TEST_F(Partitioned, TwoGuestsMayHaveAPartitionEachAndNobodyTheWhole)
{
    DiskFile first = DiskFile::open({.path = path(), .partition = 1});
    EXPECT_EQ(refusal({.path = path(), .partition = 2}).code, ExitCode::Success);
    EXPECT_EQ(refusal({.path = path(), .partition = 1}).code, ExitCode::DiskBusy);
    EXPECT_EQ(refusal({path()}).code, ExitCode::DiskBusy);
}

TEST_F(Partitioned, OneThatIsNotThereNamesThoseThatAre)
{
    Refusal refused = refusal({.path = path(), .partition = 7});
    EXPECT_EQ(refused.code, ExitCode::DiskPartition);
    EXPECT_TRUE(refused.says(path() + ",partition=2 (no file system, 1M)")) << refused.text;
}

TEST_F(Partitioned, ImageThatEndsBeforeThePartitionDoesIsUnfit)
{
    ASSERT_EQ(ftruncate(file_.fd(), 3 * kMiB - 512), 0);
    EXPECT_EQ(refusal({.path = path(), .partition = 2}).code, ExitCode::DiskUnfit);
    EXPECT_EQ(refusal({.path = path(), .partition = 1}).code, ExitCode::Success);
}

TEST(DiskPartition, DiskWithoutATableHasNone)
{
    TemporaryFile file{kMiB};
    EXPECT_TRUE(partitions_in(file.fd()).empty());
    EXPECT_TRUE(refusal({.path = file.path(), .partition = 1}).says("no partition table"));
}

} // namespace
} // namespace colinux
