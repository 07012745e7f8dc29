// SPDX-License-Identifier: GPL-2.0
// Finding the kernel in a disk image.
#include "cli/boot_files.hpp"

#include "cli/subprocess.hpp"
#include "vmm/failure.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

TEST(NewestKernel, ComparesVersionsAsNumbers)
{
    EXPECT_EQ(newest_kernel("/11/100644/0/0/vmlinuz-6.1.0-9-amd64/8/\n/12/100644/0/0/vmlinuz-6.1.0-56-amd64/8/\n/13/"
                            "100644/0/0/initrd.img-6.12/9/\n"),
              "vmlinuz-6.1.0-56-amd64");
}

TEST(NewestKernel, IgnoresNamesThatMeanSomethingToDebugfs)
{
    EXPECT_EQ(newest_kernel("/11/100644/0/0/vmlinuz-9 quit/8/\n/12/100644/0/0/vmlinuz-\"9/8/\n"), "");
}

class DiskImage : public testing::Test {
protected:
    DiskImage()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        std::filesystem::create_directories(folder_ / "root/boot");
        std::ofstream{folder_ / "root/boot/vmlinuz-6.1.0-56-amd64"} << "kernel 56";
        std::ofstream{folder_ / "root/boot/vmlinuz-6.1.0-9-amd64"} << "kernel 9";
        std::ofstream{folder_ / "root/boot/initrd.img-6.1.0-56-amd64"} << "initrd 56";
        run_and_capture({"mke2fs", "-q", "-t", "ext4", "-d", folder_ / "root", disk(), "4M"});
    }
    ~DiskImage() override { std::filesystem::remove_all(folder_); }

    std::string disk() const { return folder_ / "disk.raw"; }
    static std::string content(const std::string& path)
    {
        std::ostringstream text;
        text << std::ifstream{path}.rdbuf();
        return text.str();
    }

    std::filesystem::path folder_;
};

TEST_F(DiskImage, FilesAreCopiedOutAndRemovedAgain)
{
    std::string kernel;
    {
        BootFiles files = BootFiles::find(disk());
        kernel = files.kernel();
        EXPECT_EQ(content(kernel), "kernel 56");
        EXPECT_EQ(content(files.initrd()), "initrd 56");
    }
    EXPECT_FALSE(std::filesystem::exists(kernel));
}

TEST_F(DiskImage, CopiesBesideTheImageComeFirst)
{
    std::filesystem::create_directory(disk() + ".boot");
    std::ofstream{disk() + ".boot/vmlinuz"} << "beside";
    BootFiles files = BootFiles::find(disk());
    EXPECT_EQ(content(files.kernel()), "beside");
    EXPECT_EQ(files.initrd(), "");
}

TEST_F(DiskImage, ImageWithoutKernelIsNamed)
{
    std::ofstream{disk()} << "no file system";
    try {
        BootFiles::find(disk());
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::KernelMissing);
        EXPECT_NE(std::string{failure.what()}.find(disk()), std::string::npos);
    }
}

} // namespace
} // namespace colinux
