// SPDX-License-Identifier: GPL-2.0
// Finding the kernel in a disk image.
#include "cli/boot_files.hpp"

#include "cli/subprocess.hpp"
#include "control/failure.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

bool any(const std::string&) { return true; }

class DiskImage : public testing::Test {
protected:
    DiskImage()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        put("vmlinuz-6.1.0-56-amd64", "kernel 56");
        put("vmlinuz-6.1.0-9-amd64", "kernel 9");
        put("vmlinuz-6.1.0-60-amd64.dpkg-new", "unfinished");
        put("initrd.img-6.1.0-56-amd64", "initrd 56");
        put("initrd.img-6.1.0-9-amd64", "initrd 9");
        make_image();
    }
    ~DiskImage() override { fs::remove_all(folder_); }

    void put(const std::string& name, const std::string& text) const
    {
        fs::create_directories(folder_ / "root/boot");
        std::ofstream{folder_ / "root/boot" / name} << text;
    }
    void make_image(const std::string& options = "lazy_itable_init=1") const
    {
        run_and_capture({"mke2fs", "-q", "-F", "-t", "ext4", "-E", options, "-d", folder_ / "root", disk(), "4M"});
    }
    void make_cache() const
    {
        fs::create_directory(disk() + ".boot");
        std::ofstream{disk() + ".boot/vmlinuz"} << "old kernel";
    }
    Failure failure(const DiskConfig& wanted, const HasGraft& can_start = any) const
    {
        try {
            BootFiles::find(wanted, nullptr, can_start);
        } catch (const Failure& failure) {
            return failure;
        }
        return {ExitCode::Success, ""};
    }

    std::string disk() const { return folder_ / "disk.raw"; }
    static std::string content(const std::string& path)
    {
        std::ostringstream text;
        text << std::ifstream{path}.rdbuf();
        return text.str();
    }

    fs::path folder_;
};

TEST_F(DiskImage, FilesAreCopiedOutAndRemovedAgain)
{
    std::string kernel;
    {
        BootFiles files = BootFiles::find({disk()}, nullptr, any);
        kernel = files.kernel();
        EXPECT_EQ(content(kernel), "kernel 56"); // versions are compared as numbers
        EXPECT_EQ(content(files.initrd()), "initrd 56");
        EXPECT_EQ(files.note(), "");
    }
    EXPECT_FALSE(fs::exists(kernel));
    EXPECT_FALSE(fs::exists(disk() + ".boot"));
}

TEST_F(DiskImage, OlderKernelThatHasAGraftBootsAndThatIsTold)
{
    BootFiles files = BootFiles::find({disk()}, nullptr, [](const std::string& release) { return release == "6.1.0-9-amd64"; });
    EXPECT_EQ(content(files.kernel()), "kernel 9");
    EXPECT_EQ(content(files.initrd()), "initrd 9");
    EXPECT_NE(files.note().find("no graft for 6.1.0-56-amd64"), std::string::npos);
    EXPECT_NE(files.note().find("older kernel 6.1.0-9-amd64 boots"), std::string::npos);
}

TEST_F(DiskImage, WithoutAnyGraftTheNewestIsNamed)
{
    Failure none = failure({disk()}, [](const std::string&) { return false; });
    EXPECT_EQ(none.code(), ExitCode::NoGraft);
    EXPECT_NE(std::string{none.what()}.find("linux-headers-6.1.0-56-amd64"), std::string::npos);
}

// Bug: what `image create` had copied booted for ever, whatever kernel the guest installed.
TEST_F(DiskImage, CacheIsRenewedAfterAnUpgradeInTheGuest)
{
    make_cache();
    BootFiles::find({disk()}, nullptr, any);
    EXPECT_EQ(content(disk() + ".boot/vmlinuz"), "kernel 56");
    EXPECT_EQ(content(disk() + ".boot/release"), "6.1.0-56-amd64\n");
    put("vmlinuz-6.1.0-57-amd64", "kernel 57");
    put("initrd.img-6.1.0-57-amd64", "initrd 57");
    make_image();
    BootFiles files = BootFiles::find({disk()}, nullptr, any);
    EXPECT_EQ(files.kernel(), disk() + ".boot/vmlinuz");
    EXPECT_EQ(content(files.kernel()), "kernel 57");
    EXPECT_EQ(content(files.initrd()), "initrd 57");
}

TEST_F(DiskImage, CacheIsRenewedWhenTheSameReleaseHasAnotherInitramfs)
{
    make_cache();
    BootFiles::find({disk()}, nullptr, any);
    put("initrd.img-6.1.0-56-amd64", "initrd 56, with a module more");
    make_image();
    EXPECT_EQ(content(BootFiles::find({disk()}, nullptr, any).initrd()), "initrd 56, with a module more");
}

TEST_F(DiskImage, CacheThatFitsIsLeftAlone)
{
    make_cache();
    BootFiles::find({disk()}, nullptr, any);
    std::ofstream{disk() + ".boot/vmlinuz"} << "kernel xx"; // of the same size
    EXPECT_EQ(content(BootFiles::find({disk()}, nullptr, any).kernel()), "kernel xx");
    std::ofstream{disk() + ".boot/vmlinuz"} << "kern";
    EXPECT_EQ(content(BootFiles::find({disk()}, nullptr, any).kernel()), "kernel 56");
}

// Bug: the part that had been copied when the disk was full was booted.
TEST_F(DiskImage, CopyThatIsNotWholeIsAnErrorAndNothingIsLeft)
{
    put("vmlinuz-6.1.0-56-amd64", std::string(200'000, 'k'));
    make_image();
    std::string temporary = folder_ / "tmp";
    fs::create_directory(temporary);
    rlimit before, full{100'000, RLIM_INFINITY}; // as a disk that has room for so much
    getrlimit(RLIMIT_FSIZE, &before);
    full.rlim_max = before.rlim_max;
    auto action = signal(SIGXFSZ, SIG_IGN);
    setenv("TMPDIR", temporary.c_str(), 1);
    setrlimit(RLIMIT_FSIZE, &full);
    Failure short_copy = failure({disk()});
    setrlimit(RLIMIT_FSIZE, &before);
    unsetenv("TMPDIR");
    signal(SIGXFSZ, action);
    EXPECT_EQ(short_copy.code(), ExitCode::NotCopied);
    EXPECT_NE(std::string{short_copy.what()}.find("TMPDIR"), std::string::npos);
    EXPECT_TRUE(fs::is_empty(temporary));
}

TEST_F(DiskImage, PartitionedRootNamesItsPartitions)
{
    std::ofstream{disk()} << std::string(446, '\0') + std::string("\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x20\0\0", 16) + std::string(48, '\0') + "\x55\xaa";
    fs::resize_file(disk(), 5 << 20);
    make_image("offset=1048576");
    Failure which = failure({disk()});
    EXPECT_EQ(which.code(), ExitCode::DiskPartition);
    EXPECT_NE(std::string{which.what()}.find(disk() + ",partition=1 (ext4, 4M)"), std::string::npos) << which.what();
    EXPECT_THROW(check_root_disk({disk()}), Failure);
    DiskConfig first{.path = disk(), .partition = 1};
    EXPECT_NO_THROW(check_root_disk(first));
    EXPECT_EQ(content(BootFiles::find(first, nullptr, any).kernel()), "kernel 56");
}

TEST_F(DiskImage, OtherFileSystemsBootWhatTheirOwnerPutBeside)
{
    std::ofstream{disk()} << std::string(512, 'x');
    Failure none = failure({disk()});
    EXPECT_EQ(none.code(), ExitCode::KernelMissing);
    EXPECT_NE(std::string{none.what()}.find(disk()), std::string::npos);
    make_cache();
    BootFiles files = BootFiles::find({disk()}, nullptr, any);
    EXPECT_EQ(content(files.kernel()), "old kernel");
    EXPECT_EQ(files.initrd(), "");
}

TEST_F(DiskImage, FileSystemThatIsNotLookedIntoIsNamed)
{
    std::ofstream{disk()} << "-rom1fs-" << std::string((1 << 20) - 8, '\0');
    Failure none = failure({disk()});
    EXPECT_EQ(none.code(), ExitCode::KernelMissing);
    EXPECT_NE(std::string{none.what()}.find("is romfs"), std::string::npos) << none.what();
}

} // namespace
} // namespace colinux
