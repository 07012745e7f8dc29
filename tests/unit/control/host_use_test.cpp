// SPDX-License-Identifier: GPL-2.0
// A disk that the host uses, by tables like the kernel's.
#include "control/disk_file.hpp"
#include "control/failure.hpp"
#include "tests/fakes/temporary_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class HostUse : public testing::Test {
protected:
    HostUse()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        host_ = {folder_, folder_ / "mountinfo"};
        write("loop6/loop/backing_file", "/tmp/another.raw");
        write("loop7/loop/backing_file", image_.path());
        write("loop7/dev", "7:7");
        write("loop7/ro", "0");
    }
    ~HostUse() override { fs::remove_all(folder_); }

    void write(const std::string& name, const std::string& line) const
    {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream{folder_ / name} << line << "\n";
    }
    void mount() const { write("mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 20 7:7 / /mnt/my\\040image rw - ext4 /dev/loop7 rw"); }

    // What is said of the image; empty: it may be used.
    std::string refusal(bool read_only) const
    {
        try {
            DiskFile::open({image_.path(), read_only}, std::chrono::milliseconds{0}, host_);
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), ExitCode::DiskBusy);
            return failure.what();
        }
        return "";
    }

    TemporaryFile image_{1 << 20};
    fs::path folder_;
    HostTables host_;
};

TEST_F(HostUse, ImageOnALoopDeviceIsBusy)
{
    EXPECT_NE(refusal(false).find("losetup -d /dev/loop7"), std::string::npos);
    EXPECT_NE(refusal(true), "");
}

TEST_F(HostUse, WhereItIsMountedIsTold)
{
    mount();
    EXPECT_NE(refusal(false).find("umount /mnt/my image"), std::string::npos);
}

TEST_F(HostUse, LoopDeviceThatCannotWriteHarmsNoReader)
{
    write("loop7/ro", "1");
    EXPECT_EQ(refusal(true), "");
    EXPECT_NE(refusal(false), "");
}

TEST_F(HostUse, OtherLoopDevicesDoNotMatter)
{
    write("loop7/loop/backing_file", "/tmp/another.raw");
    mount();
    EXPECT_EQ(refusal(false), "");
}

} // namespace
} // namespace colinux
