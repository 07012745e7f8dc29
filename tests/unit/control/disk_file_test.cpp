// SPDX-License-Identifier: GPL-2.0
// DiskFile: what is refused, with which exit code, and that the message names the disk.
#include "control/disk_file.hpp"
#include "control/failure.hpp"
#include "tests/fakes/patience.hpp"
#include "tests/fakes/temporary_file.hpp"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace colinux {
namespace {

ExitCode refusal(const std::string& path, bool read_only)
{
    try {
        DiskFile::open({path, read_only}, std::chrono::milliseconds{0});
    } catch (const Failure& failure) {
        EXPECT_NE(std::string{failure.what()}.find(path), std::string::npos);
        return failure.code();
    }
    return ExitCode::Success;
}

TEST(DiskFile, GoodFileIsMeasured)
{
    TemporaryFile file{8192};
    DiskFile disk = DiskFile::open({file.path()});
    EXPECT_EQ(disk.bytes(), 8192u);
    EXPECT_EQ(disk.block_size(), 512u);
}

TEST(DiskFile, MissingIsNamed) { EXPECT_EQ(refusal("/tmp/colinux-no-such-disk", false), ExitCode::DiskMissing); }

TEST(DiskFile, DirectoryIsUnfit)
{
    EXPECT_EQ(refusal("/tmp", false), ExitCode::DiskUnfit);
    EXPECT_EQ(refusal("/tmp", true), ExitCode::DiskUnfit);
}

TEST(DiskFile, CharacterDeviceIsUnfit) { EXPECT_EQ(refusal("/dev/null", false), ExitCode::DiskUnfit); }

TEST(DiskFile, EmptyAndOddSizesAreUnfit)
{
    EXPECT_EQ(refusal(TemporaryFile{0}.path(), false), ExitCode::DiskUnfit);
    EXPECT_EQ(refusal(TemporaryFile{1000}.path(), false), ExitCode::DiskUnfit);
}

TEST(DiskFile, ProtectedFileIsReadOnly)
{
    TemporaryFile file{4096};
    fchmod(file.fd(), 0444);
    EXPECT_EQ(refusal(file.path(), false), ExitCode::DiskReadOnly);
    EXPECT_EQ(refusal(file.path(), true), ExitCode::Success);
}

TEST(DiskFile, WriterExcludesEveryoneReadersShare)
{
    TemporaryFile file{4096};
    {
        DiskFile writer = DiskFile::open({file.path()});
        EXPECT_EQ(refusal(file.path(), false), ExitCode::DiskBusy);
        EXPECT_EQ(refusal(file.path(), true), ExitCode::DiskBusy);
    }
    DiskFile reader = DiskFile::open({file.path(), true});
    EXPECT_EQ(refusal(file.path(), true), ExitCode::Success);
    EXPECT_EQ(refusal(file.path(), false), ExitCode::DiskBusy);
}

TEST(DiskFile, SnapshotReadsOnly)
{
    TemporaryFile file{4096};
    fchmod(file.fd(), 0444);
    DiskConfig config{file.path()};
    config.snapshot = true;
    DiskFile disk = DiskFile::open(config), second = DiskFile::open(config);
    EXPECT_TRUE(disk.snapshot() && disk.read_only());
    EXPECT_EQ(fcntl(disk.fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
    fchmod(file.fd(), 0600);
    EXPECT_EQ(refusal(file.path(), false), ExitCode::DiskBusy);
    config.read_only = true;
    EXPECT_FALSE(DiskFile::open(config).snapshot());
}

// Bug: half a second of patience; a killed daemon's io_uring can take longer to let go.
TEST(DiskFile, OneThatIsLetGoMeanwhileIsWaitedFor)
{
    TemporaryFile file{4096};
    std::optional<DiskFile> other{DiskFile::open({file.path()})};
    std::jthread killed{[&] {
        std::this_thread::sleep_for(std::chrono::seconds{1});
        other.reset();
    }};
    EXPECT_NO_THROW(DiskFile::open({file.path()}, kPatience));
}

} // namespace
} // namespace colinux
