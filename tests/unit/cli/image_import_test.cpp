// SPDX-License-Identifier: GPL-2.0
// Importing small root file systems, and images that are none; no root needed.
#include "cli/archive.hpp"
#include "cli/ext_image.hpp"
#include "cli/ext_root.hpp"
#include "cli/guest_root.hpp"
#include "cli/image_import.hpp"
#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class ImageImport : public testing::Test {
protected:
    ImageImport()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        put("root/bin/sh", "shell");
        put("root/sbin/init", "init");
        put("root/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n# mine\ntmpfs /tmp tmpfs defaults 0 0\n");
        put("root/etc/inittab", "::sysinit:/etc/rc\n");
        put("root/etc/shadow", "daemon:*:1:\nroot:*:1:\n");
    }
    ~ImageImport() override { fs::remove_all(folder_); }

    void put(const std::string& name, const std::string& text) const
    {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream{folder_ / name} << text;
    }
    std::string packed(const std::string& name, const std::string& compression) const
    {
        std::string file = folder_ / name;
        EXPECT_EQ(run_and_capture({"tar", compression, "-C", folder_ / "root", "-cf", file, "."}).status, 0);
        return file;
    }
    // Of one entry that tar itself would not make
    std::string hostile(const char* name, const char* hard_link, const char* second = nullptr) const
    {
        std::string file = folder_ / "hostile.tar";
        archive* to = archive_write_new();
        archive_write_set_format_ustar(to);
        archive_write_open_filename(to, file.c_str());
        for (const char* one : {name, second}) {
            if (!one)
                continue;
            archive_entry* entry = archive_entry_new();
            archive_entry_set_pathname(entry, one);
            bool link = second && one == name;
            archive_entry_set_filetype(entry, link ? AE_IFLNK : AE_IFREG);
            if (link)
                archive_entry_set_symlink(entry, (folder_ / "outside").c_str());
            if (hard_link)
                archive_entry_set_hardlink(entry, hard_link);
            archive_entry_set_perm(entry, 0644);
            archive_entry_set_size(entry, link || hard_link ? 0 : 1);
            archive_write_header(to, entry);
            archive_write_data(to, "x", 1);
            archive_entry_free(entry);
        }
        archive_write_free(to);
        return file;
    }
    Failure failure(const ImportOptions& options) const
    {
        StopSignals stop;
        try {
            import_image(options, image(), stop);
        } catch (const Failure& failure) {
            return failure;
        }
        return {ExitCode::Success, ""};
    }
    std::vector<std::string> import(const ImportOptions& options) const
    {
        StopSignals stop;
        return import_image(options, image(), stop);
    }
    std::string image() const { return folder_ / "store/mine.raw"; }
    std::string text(const std::string& path) const
    {
        StopSignals stop;
        fs::create_directories(folder_ / "scratch");
        return ExtRoot{image(), folder_ / "scratch", stop}.text(path).value_or("(none)");
    }
    long files_in_store() const { return std::distance(fs::directory_iterator{folder_ / "store"}, {}); }
    void SetUp() override { fs::create_directory(folder_ / "store"); }

    fs::path folder_;
};

bool tells(const std::vector<std::string>& lines, const std::string& what)
{
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(what) != std::string::npos; });
}

TEST_F(ImageImport, ATarOfAnyCompressionBecomesAnImageThatIsPutRight)
{
    for (auto [name, compression] : {std::pair{"a.tar", "--no-auto-compress"}, {"a.tar.gz", "-z"}, {"a.tar.xz", "-J"}, {"a.tar.zst", "--zstd"}}) {
        auto told = import({.source = packed(name, compression)});
        EXPECT_EQ(text("/etc/fstab").substr(0, 11), "/dev/vda\t/\t") << name;
        EXPECT_NE(text("/etc/fstab").find("# colinux image import: /dev/sda1"), std::string::npos);
        EXPECT_NE(text("/etc/fstab").find("\ntmpfs /tmp"), std::string::npos);
        EXPECT_NE(text("/etc/inittab").find("hvc0"), std::string::npos);
        EXPECT_TRUE(tells(told, "/etc/fstab") && tells(told, "hvc0") && tells(told, "--root-login") && tells(told, "no kernel in /boot"));
        fs::remove(image());
    }
}

TEST_F(ImageImport, AFolderIsTakenAndStaysAsItIs)
{
    auto told = import({.source = folder_ / "root", .root_login = true});
    EXPECT_EQ(text("/etc/shadow"), "daemon:*:1:\nroot::1:\n");
    EXPECT_TRUE(fs::exists(folder_ / "root/etc/shadow"));
    std::stringstream before;
    before << std::ifstream{folder_ / "root/etc/fstab"}.rdbuf();
    EXPECT_EQ(before.str().substr(0, 9), "/dev/sda1");
    EXPECT_EQ(files_in_store(), 2); // with its .boot
}

TEST_F(ImageImport, NothingIsWrittenOutsideOfTheImage)
{
    fs::create_directory(folder_ / "outside");
    for (const std::string& file : {hostile("../escaped", nullptr), hostile("/tmp/colinux-escaped", nullptr), hostile("in", "../../outside/in")}) {
        EXPECT_EQ(failure({.source = file}).code(), ExitCode::ImportUnfit);
        EXPECT_EQ(files_in_store(), 0);
    }
    EXPECT_EQ(failure({.source = hostile("link", nullptr, "link/escaped")}).code(), ExitCode::ImportUnfit);
    EXPECT_TRUE(fs::is_empty(folder_ / "outside"));
    EXPECT_FALSE(fs::exists("/tmp/colinux-escaped"));
}

TEST_F(ImageImport, LinksOfTheRootLeadNowhereElse)
{
    put("outside/fstab", "the host's\n");
    fs::remove_all(folder_ / "root/etc");
    fs::create_symlink(folder_ / "outside", folder_ / "root/etc"); // is not there, seen from inside
    FolderRoot root{folder_ / "root"};
    EXPECT_FALSE(root.has("/etc/fstab"));
    repair_root(root, true);
    std::stringstream text;
    text << std::ifstream{folder_ / "outside/fstab"}.rdbuf();
    EXPECT_EQ(text.str(), "the host's\n");
}

TEST_F(ImageImport, WhatIsNoRootOrDamagedIsToldAndLeavesNothing)
{
    put("empty/file", "x");
    put("text", "no archive at all, nor a disk");
    std::string cut = packed("cut.tar.gz", "-z");
    fs::resize_file(cut, fs::file_size(cut) / 2);
    EXPECT_EQ(failure({.source = folder_ / "empty"}).code(), ExitCode::ImportUnfit);
    EXPECT_EQ(failure({.source = cut}).code(), ExitCode::ImportUnfit);
    EXPECT_EQ(failure({.source = folder_ / "nothing"}).code(), ExitCode::ImportUnfit);
    EXPECT_EQ(failure({.source = "/dev/null"}).code(), ExitCode::ImportUnfit);
    EXPECT_EQ(failure({.source = folder_ / "text"}).code(), ExitCode::ImportUnfit);
    put("root/large", std::string(3 << 20, 'x'));
    EXPECT_EQ(failure({.source = folder_ / "root", .bytes = 1 << 20}).code(), ExitCode::ImageSize);
    EXPECT_EQ(files_in_store(), 0);
}

TEST_F(ImageImport, AnExtImageIsPutRightInPlaceOfACopy)
{
    std::string disk = folder_ / "disk.raw";
    run_and_capture({"mke2fs", "-q", "-F", "-t", "ext4", "-d", folder_ / "root", disk, "8M"});
    auto told = import({.source = disk, .root_login = true});
    EXPECT_TRUE(tells(told, "/etc/fstab"));
    EXPECT_EQ(text("/etc/fstab").substr(0, 8), "/dev/vda");
    EXPECT_EQ(text("/etc/shadow"), "daemon:*:1:\nroot::1:\n");
    StopSignals stop;
    EXPECT_EQ(check_file_system(image(), false, stop), Soundness::Sound);
    resize_file_system(image(), 16 << 20, stop);
    EXPECT_EQ(fs::file_size(image()), 16u << 20);
    resize_file_system(image(), 6 << 20, stop);
    EXPECT_EQ(fs::file_size(image()), 6u << 20);
    EXPECT_EQ(check_file_system(image(), false, stop), Soundness::Sound);
    EXPECT_THROW(resize_file_system(image(), 64 << 10, stop), Failure);
    EXPECT_EQ(check_file_system(image(), true, stop), Soundness::Sound);
}

TEST_F(ImageImport, APartitionIsFoundAndADamagedFileSystemIsSaid)
{
    std::string part = folder_ / "part", disk = folder_ / "disk.raw";
    run_and_capture({"mke2fs", "-q", "-F", "-t", "ext4", "-d", folder_ / "root", part, "8M"});
    std::ofstream stream{disk};
    std::string table(512, '\0');
    table[446 + 4] = '\x83';
    table[446 + 9] = 8; // begins at sector 2048
    table[446 + 13] = 64; // 16384 sectors
    table[510] = '\x55';
    table[511] = '\xaa';
    stream << table << std::string((1 << 20) - 512, '\0') << std::ifstream{part}.rdbuf();
    stream.close();
    EXPECT_TRUE(tells(import({.source = disk}), "partition 1"));
    EXPECT_EQ(fs::file_size(image()), 8u << 20);
    EXPECT_EQ(failure({.source = disk, .partition = 3}).code(), ExitCode::DiskPartition);
    StopSignals stop;
    std::fstream damaged{image(), std::ios::in | std::ios::out};
    damaged.seekp(1024);
    damaged << std::string(4096, '\xff');
    damaged.close();
    EXPECT_THROW(check_file_system(image(), false, stop), Failure);
}

} // namespace
} // namespace colinux
