// SPDX-License-Identifier: GPL-2.0
// An image that `run` and `create` make where it is missing, in a store of the test's own; mmdebstrap and apt are scripts that know one kernel.
#include "cli/templates.hpp"

#include "cli/boot_files.hpp"
#include "cli/image_store.hpp"
#include "control/failure.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace colinux {
namespace {

namespace fs = std::filesystem;

class Templates : public testing::Test {
protected:
    Templates()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        setenv("COLINUX_STATE_DIR", (folder_ / "state").c_str(), 1);
        setenv("COLINUX_CONFIG_DIR", (folder_ / "config").c_str(), 1);
        setenv("COLINUX_GRAFTS", (folder_ / "grafts").c_str(), 1);
        fs::create_directories(folder_ / "grafts/6.1.0-9-test");
        std::ofstream{folder_ / "grafts/6.1.0-9-test/graft.o"} << "graft";
        fs::create_directory(folder_ / "bin");
        program("apt-cache", "[ \"$2\" = linux-image-6.1.0-9-test ] && echo it; true");
        program("apt-get", "echo /nowhere:1 somewhere bookworm main");
        program("mmdebstrap", "echo once >>" + folder_.string() + "/made\nfor w; do case $w in *" + std::string{"/root"} +
                                  ") r=$w;; */sources.list) cp $w " + folder_.string() + "; esac; done; mkdir -p $r/boot; echo kernel >$r/boot/vmlinuz-6.1.0-9-test; echo initrd >$r/boot/initrd.img-6.1.0-9-test");
        setenv("PATH", ((folder_ / "bin").string() + ":" + path_).c_str(), 1);
    }
    ~Templates() override
    {
        setenv("PATH", path_.c_str(), 1);
        for (const char* name : {"COLINUX_STATE_DIR", "COLINUX_CONFIG_DIR", "COLINUX_GRAFTS"})
            unsetenv(name);
        fs::remove_all(folder_);
    }
    void program(const std::string& name, const std::string& text) const
    {
        std::ofstream{folder_ / "bin" / name} << "#!/bin/sh\n" << text << "\n";
        chmod((folder_ / "bin" / name).c_str(), 0755);
    }
    static Failure failure(const std::string& name)
    {
        try {
            image_or_template(name);
        } catch (const Failure& failure) {
            return failure;
        }
        return {ExitCode::Success, ""};
    }
    std::string text(const char* file) const
    {
        std::ostringstream text;
        text << std::ifstream{folder_ / file}.rdbuf();
        return text.str();
    }
    long files_in_store() const { return std::distance(fs::directory_iterator{folder_ / "state/images"}, {}); }

    std::string path_{getenv("PATH")};
    fs::path folder_;
};

TEST_F(Templates, DebianIsMadeOnceWithTheKernelThatThereIsAGraftFor)
{
    std::string image = image_or_template("debian");
    EXPECT_EQ(image, (folder_ / "state/images/debian.raw").string());
    EXPECT_EQ(image_or_template("debian"), image);
    EXPECT_EQ(fs::file_size(folder_ / "made"), 5u);
    EXPECT_EQ(BootFiles::find({image}).kernel(), image + ".boot/vmlinuz");
    EXPECT_EQ(files_in_store(), 2);
}

// What apt-get indextargets says, with and without 'Origin: Debian'
TEST_F(Templates, PackagesComeFromDebiansRepositoriesWithTheKeysThatTheirSourcesName)
{
    std::string company = (folder_ / "company.sources").string();
    std::ofstream{company} << "Types: deb\n# Signed-By: /old.gpg\nSigned-By: /keys/company.gpg\n";
    program("apt-get", "case $* in *'Origin: Debian'*) ;; *) echo /nowhere:1 docker bookworm stable; esac\necho " + company + ":1 mirror bookworm main");
    image_or_template("debian");
    EXPECT_EQ(text("sources.list"), "deb [signed-by=/keys/company.gpg] mirror bookworm main\n");
}

TEST_F(Templates, MirrorThatDoesNotCallItselfDebianServesWhereThereIsNoOther)
{
    std::string list = (folder_ / "mirror.list").string();
    std::ofstream{list} << "deb [arch=amd64 signed-by=/keys/mine.gpg] mirror bookworm main\n";
    program("apt-get", "case $* in *'Origin: Debian'*) ;; *) echo " + list + ":1 mirror bookworm main; esac");
    image_or_template("debian");
    EXPECT_EQ(text("sources.list"), "deb [signed-by=/keys/mine.gpg] mirror bookworm main\n");
}

TEST_F(Templates, WhoComesMeanwhileWaitsAndHasTheSame)
{
    fs::create_directories(folder_ / "state/images");
    std::jthread other{[] { image_or_template("debian"); }};
    image_or_template("debian");
    other.join();
    EXPECT_EQ(fs::file_size(folder_ / "made"), 5u);
    EXPECT_EQ(files_in_store(), 2);
}

TEST_F(Templates, OneThatFailsLeavesNothing)
{
    program("mmdebstrap", "echo E: no; exit 1");
    EXPECT_EQ(failure("debian").code(), ExitCode::BuildFailed);
    EXPECT_EQ(files_in_store(), 0);
}

TEST_F(Templates, WhatAKilledOneLeftIsClearedAway)
{
    fs::create_directories(folder_ / "state/images/.making-abc/root");
    image_or_template("debian");
    EXPECT_EQ(files_in_store(), 2);
}

TEST_F(Templates, NoKernelForAGraftIsToldWithItsCure)
{
    program("apt-cache", "true");
    Failure refused = failure("debian");
    EXPECT_EQ(refused.code(), ExitCode::NoGraft);
    EXPECT_NE(std::string{refused.what()}.find("apt-get update"), std::string::npos);
}

TEST_F(Templates, AnUnknownImageIsToldWithWhatThereIs)
{
    fs::create_directories(folder_ / "state/images");
    std::ofstream{folder_ / "state/images/mine.raw"} << "x";
    fs::create_directories(folder_ / "config");
    std::ofstream{folder_ / "config/web.toml"} << "";
    EXPECT_EQ(failure("nine").code(), ExitCode::ImageUnknown);
    EXPECT_NE(std::string{failure("nine").what()}.find("there are: mine"), std::string::npos);
    EXPECT_NE(std::string{failure("web").what()}.find("colinux start web"), std::string::npos);
    EXPECT_EQ(failure("no/../name").code(), ExitCode::Success); // a file's name: looked at by whoever opens it
    EXPECT_EQ(failure("-x").code(), ExitCode::Usage);
}

} // namespace
} // namespace colinux
