// SPDX-License-Identifier: GPL-2.0
// From what `colinux kernel run` is told of to a kernel, the key of its graft, its modules and its initramfs.
#include "cli/kernel_source.hpp"

#include "cli/kernel_graft.hpp"
#include "cli/kernel_initramfs.hpp"
#include "control/failure.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class KernelSourceTest : public testing::Test {
protected:
    KernelSourceTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        tree_ = fs::path{mkdtemp(path)} / "tree";
        put("include/generated/utsrelease.h", "#define UTS_RELEASE \"6.9.0-mine+\"\n");
        put(".config", "CONFIG_SMP=y\n");
        put("Module.symvers", "symbols\n");
        put("arch/x86/boot/bzImage", image("6.9.0-mine+"));
        put("graft/a.c", "int a;\n");
        fs::create_directories(tree_ / "include/colinux");
    }
    ~KernelSourceTest() override { fs::remove_all(tree_.parent_path()); }

    void put(const std::string& name, const std::string& text) const
    {
        fs::create_directories((tree_ / name).parent_path());
        std::ofstream{tree_ / name} << text;
    }
    static std::string image(const std::string& release)
    {
        std::string text(0x400, '\0');
        text.replace(0x202, 4, "HdrS");
        text[0x20e] = '\0'; // 0x100 behind 0x200
        text[0x20f] = '\1';
        text.replace(0x300, release.size(), release);
        return text + " (me@here) #1";
    }
    KernelSource find(const std::string& what = "") const { return KernelSource::find(what.empty() ? tree_.string() : what, "", "", ""); }
    std::string key() const { return graft_key(find(), tree_ / "graft"); }
    static ExitCode code(const std::function<void()>& act)
    {
        try {
            act();
        } catch (const Failure& failure) {
            return failure.code();
        }
        return ExitCode::Success;
    }

    fs::path tree_;
};

TEST_F(KernelSourceTest, BuildFolderHasAllOfIt)
{
    put("modules.order", "");
    KernelSource source = find();
    EXPECT_EQ(source.release, "6.9.0-mine+");
    EXPECT_EQ(source.image, tree_ / "arch/x86/boot/bzImage");
    EXPECT_EQ(source.modules, tree_);
    EXPECT_EQ(code([&] { source.check_config(); }), ExitCode::KernelUnfit);
}

TEST_F(KernelSourceTest, FileAloneHasNoTree)
{
    KernelSource source = find(tree_ / "arch/x86/boot/bzImage");
    EXPECT_EQ(source.release, "6.9.0-mine+");
    EXPECT_TRUE(source.tree.empty());
    EXPECT_EQ(code([&] { source.check_config(); }), ExitCode::Success); // which nobody knows
}

TEST_F(KernelSourceTest, ElfFileSaysItsRelease)
{
    put("vmlinux", "\177ELF...Linux version %s...Linux version 6.9.1 (me@here)");
    EXPECT_EQ(release_of_kernel(tree_ / "vmlinux"), "6.9.1");
}

TEST_F(KernelSourceTest, WhatIsNoKernelIsRefused)
{
    put("short", "HdrS");
    put("empty", "");
    put("far", image("").replace(0x20e, 2, "\xff\xff"));
    put("outside", image("6.9/../../etc"));
    for (const char* name : {"short", "empty", "far", "outside"})
        EXPECT_EQ(code([&] { find(tree_ / name); }), ExitCode::KernelDamaged) << name;
    EXPECT_EQ(code([&] { find(tree_ / "nothing"); }), ExitCode::KernelMissing);
    EXPECT_EQ(code([&] { find(tree_ / "graft"); }), ExitCode::KernelMissing);
}

TEST_F(KernelSourceTest, ImageOfAnotherReleaseIsRefused)
{
    put("arch/x86/boot/bzImage", image("6.8.0"));
    EXPECT_EQ(code([&] { find(); }), ExitCode::KernelUnfit);
}

TEST_F(KernelSourceTest, KeyIsOfTheContent)
{
    std::string before = key();
    fs::last_write_time(tree_ / ".config", fs::file_time_type::clock::now());
    EXPECT_EQ(key(), before);
    for (const char* name : {".config", "Module.symvers", "graft/a.c"}) {
        put(name, "CONFIG_SMP=y\nCONFIG_OTHER=y\n");
        EXPECT_NE(key(), before) << name;
        before = key();
    }
    put("arch/x86/boot/bzImage", image("6.9.0-mine+") + "2");
    EXPECT_NE(key(), before);
}

TEST_F(KernelSourceTest, ModulesComeBehindWhatTheyNeed)
{
    std::string zero(1, '\0');
    put("fs/nine.ko", "\177ELF" + zero + "depends=base-one,gone" + zero);
    put("net/base-one.ko", "\177ELF" + zero + "depends=" + zero);
    std::vector<KernelModule> modules = load_modules(tree_, {"nine", "base_one", "not_there"});
    ASSERT_EQ(modules.size(), 2u);
    EXPECT_EQ(modules[0].name, "base_one");
    EXPECT_EQ(modules[1].name, "nine");
    put("fs/broken.ko", "no module");
    EXPECT_EQ(code([&] { load_modules(tree_, {"broken"}); }), ExitCode::KernelDamaged);
}

TEST_F(KernelSourceTest, InitramfsIsAnArchiveThatGoesWithItsObject)
{
    put("init", "i");
    std::map<std::string, std::string> found;
    std::string path;
    {
        KernelInitramfs initramfs{tree_ / "init", tree_ / "init", {{"nine", "module"}}, {{"/", "/", false}, {"/srv/a b", "/srv/a b", true}}};
        path = initramfs.path();
        archive* reader = archive_read_new();
        archive_read_support_format_cpio(reader);
        ASSERT_EQ(archive_read_open_filename(reader, path.c_str(), 4096), ARCHIVE_OK);
        for (archive_entry* entry; archive_read_next_header(reader, &entry) == ARCHIVE_OK;) {
            std::string text(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
            archive_read_data(reader, text.data(), text.size());
            found[archive_entry_pathname(entry)] = text;
        }
        archive_read_free(reader);
    }
    EXPECT_EQ(found["folders"], "ro /\nrw /srv/a b\n");
    EXPECT_EQ(found["modules/100-nine.ko"], "module");
    EXPECT_EQ(found["init"], "i");
    EXPECT_TRUE(found.contains("dev/console"));
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(code([&] { KernelInitramfs{tree_ / "init", tree_ / "init", {}, {{"/", "/a\nrw /", true}}}; }), ExitCode::Usage);
}

} // namespace
} // namespace colinux
