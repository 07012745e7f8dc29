// SPDX-License-Identifier: GPL-2.0
#include "fake_kernel.hpp"
#include "test_files.hpp"

#include "control/graft_store.hpp"
#include "vmm/loader/kernel_check.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace colinux::testing {
namespace {

class GraftStore : public ::testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = ::testing::TempDir() + "graft-store-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        setenv("COLINUX_GRAFTS", directory_.c_str(), 1);
    }
    void TearDown() override
    {
        unsetenv("COLINUX_GRAFTS");
        std::filesystem::remove_all(directory_);
    }
    std::string write(const std::string& name, const Bytes& bytes)
    {
        std::filesystem::path path = directory_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path;
    }

    std::filesystem::path directory_;
};

TEST_F(GraftStore, FindsByRelease)
{
    write("6.1.0-test/graft.o", graft_bytes("6.1.0-test"));
    EXPECT_EQ(find_graft("6.1.0-test").release(), "6.1.0-test");
    EXPECT_EQ(list_grafts().front().release, "6.1.0-test");
}

TEST_F(GraftStore, AbsentGraftSaysWhatToBuild)
{
    Failure failure = failure_of([] { find_graft("9.9.9-none"); });
    EXPECT_EQ(failure.code(), ExitCode::NoGraft);
    EXPECT_TRUE(mentions(failure, "linux-headers-9.9.9-none"));
}

TEST_F(GraftStore, GraftThatOthersCanWriteIsRefused)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "files of root's are needed";
    std::string graft = write("6.1.0-test/graft.o", graft_bytes("6.1.0-test"));
    for (std::filesystem::path place : {std::filesystem::path{graft}, directory_ / "6.1.0-test", directory_}) {
        EXPECT_NO_THROW(find_graft("6.1.0-test"));
        chmod(place.c_str(), 0777);
        EXPECT_TRUE(mentions(failure_of([] { find_graft("6.1.0-test"); }), place.string()));
        chmod(place.c_str(), 0755);
        ASSERT_EQ(chown(place.c_str(), 65534, 65534), 0);
        EXPECT_TRUE(mentions(failure_of([] { find_graft("6.1.0-test"); }), "chown root " + place.string()));
        ASSERT_EQ(chown(place.c_str(), 0, 0), 0);
    }
}

// (Bug: the place behind a link was looked at, then the link read, which others may have turned meanwhile.)
TEST_F(GraftStore, GraftIsReadWhereItWasLookedAt)
{
    write("real/6.1.0-test/graft.o", graft_bytes("6.1.0-test"));
    std::filesystem::create_directory_symlink(directory_ / "real" / "6.1.0-test", directory_ / "6.1.0-test");
    EXPECT_EQ(find_graft("6.1.0-test").path(), std::filesystem::canonical(directory_ / "real/6.1.0-test/graft.o"));
}

TEST_F(GraftStore, NoGraftIsLookedForBesideTheProgram)
{
    unsetenv("COLINUX_GRAFTS");
    for (const std::filesystem::path& directory : graft_directories())
        EXPECT_TRUE(directory.string().starts_with("/usr/lib/") || directory.string().starts_with("/var/cache/")) << directory;
}

TEST_F(GraftStore, CheckOfAFittingKernel)
{
    write("6.1.0-test/graft.o", graft_bytes("6.1.0-test"));
    KernelCheck check = check_kernel(write("vmlinuz", FakeKernel{}.bzimage()));
    EXPECT_EQ(check.release, "6.1.0-test");
    EXPECT_TRUE(check.multi_cpu_ok);
}

TEST_F(GraftStore, CheckNamesAnotherLayout)
{
    write("6.1.0-test/graft.o", with_text(graft_bytes("6.1.0-test"), "CPUHP_OFFLINE", "CPUHP_OFFMINE"));
    std::string kernel = write("vmlinuz", FakeKernel{}.bzimage());
    Failure failure = failure_of([&] { check_kernel(kernel); });
    EXPECT_EQ(failure.code(), ExitCode::NoGraft);
    EXPECT_TRUE(mentions(failure, "CPUHP_OFFMINE"));
}

TEST_F(GraftStore, CheckNamesAnotherRelease)
{
    write("6.1.0-test/graft.o", graft_bytes("6.1.0-other"));
    std::string kernel = write("vmlinuz", FakeKernel{}.bzimage());
    EXPECT_TRUE(mentions(failure_of([&] { check_kernel(kernel); }), "6.1.0-other"));
}

} // namespace
} // namespace colinux::testing
