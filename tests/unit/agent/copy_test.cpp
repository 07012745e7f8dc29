// SPDX-License-Identifier: GPL-2.0
// The two scripts of `colinux cp`, run here.
#include "cli/copy.hpp"

#include "cli/subprocess.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace colinux {
namespace {

namespace fs = std::filesystem;

struct CopyScripts : testing::Test {
    CopyScripts()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder = mkdtemp(path);
        fs::create_directories(folder + "/tree/sub");
        write("tree/a", "alpha");
        write("tree/sub/b", "beta");
        fs::create_symlink("sub/b", folder + "/tree/link");
        chmod((folder + "/tree/a").c_str(), 0751);
        fs::create_directory(folder + "/to");
    }
    ~CopyScripts() override { fs::remove_all(folder); }

    void write(const std::string& name, const std::string& text) { std::ofstream{folder + "/" + name} << text; }
    std::string text_of(const std::string& name)
    {
        std::stringstream text;
        text << std::ifstream{folder + "/" + name}.rdbuf();
        return text.str();
    }
    std::string at(const std::string& path) { return folder + "/" + path; }

    // Packs, lets `change` see the archive, unpacks; the unpacking side's exit code.
    int copy(const std::string& source, const std::string& destination, std::size_t keep = std::string::npos)
    {
        Finished packed = run_and_capture(packing_command(at(source)));
        EXPECT_EQ(packed.status, 0);
        write("archive", packed.output.substr(0, keep));
        std::vector<std::string> command{"/bin/sh", "-c", "archive=$1; shift; exec \"$@\" <\"$archive\"", "sh", at("archive")};
        for (const std::string& word : unpacking_command(at(source), at(destination)))
            command.push_back(word);
        int status = run_and_capture(command).status;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator{folder})
            EXPECT_EQ(entry.path().filename().string().find(".colinux-cp"), std::string::npos);
        return status;
    }
    std::string folder;
};

TEST_F(CopyScripts, FileToANewName)
{
    EXPECT_EQ(copy("tree/a", "to/new"), 0);
    EXPECT_EQ(text_of("to/new"), "alpha");
    EXPECT_EQ(fs::status(at("to/new")).permissions(), fs::perms{0751});
}

TEST_F(CopyScripts, FileIntoAFolder)
{
    EXPECT_EQ(copy("tree/a", "to"), 0);
    EXPECT_EQ(text_of("to/a"), "alpha");
}

TEST_F(CopyScripts, FileOverAFile)
{
    write("to/old", "old");
    EXPECT_EQ(copy("tree/a", "to/old"), 0);
    EXPECT_EQ(text_of("to/old"), "alpha");
}

TEST_F(CopyScripts, FolderWithItsLinks)
{
    EXPECT_EQ(copy("tree", "to/new"), 0);
    EXPECT_EQ(text_of("to/new/sub/b"), "beta");
    EXPECT_EQ(fs::read_symlink(at("to/new/link")), "sub/b");
}

TEST_F(CopyScripts, FolderIntoAFolderThatHasOneOfThatName)
{
    fs::create_directories(at("to/tree/sub"));
    write("to/tree/sub/kept", "kept");
    write("to/tree/a", "old");
    EXPECT_EQ(copy("tree", "to"), 0);
    EXPECT_EQ(text_of("to/tree/a"), "alpha");
    EXPECT_EQ(text_of("to/tree/sub/kept"), "kept");
    EXPECT_EQ(text_of("to/tree/sub/b"), "beta");
}

TEST_F(CopyScripts, WhatIsInAFolder)
{
    EXPECT_EQ(copy("tree/.", "to"), 0);
    EXPECT_EQ(text_of("to/a"), "alpha");
    EXPECT_EQ(text_of("to/sub/b"), "beta");
}

TEST_F(CopyScripts, LinkThatIsNamedIsFollowed)
{
    EXPECT_EQ(copy("tree/link", "to"), 0);
    EXPECT_EQ(text_of("to/link"), "beta");
    EXPECT_FALSE(fs::is_symlink(at("to/link")));
}

TEST_F(CopyScripts, NamesThatLookLikeSomethingElse)
{
    write("tree/-n a*b", "odd");
    EXPECT_EQ(copy("tree/-n a*b", "to"), 0);
    EXPECT_EQ(text_of("to/-n a*b"), "odd");
}

TEST_F(CopyScripts, FileOverAFolderIsRefused)
{
    fs::create_directories(at("to/a"));
    EXPECT_NE(copy("tree/a", "to"), 0);
    EXPECT_TRUE(fs::is_directory(at("to/a")));
}

TEST_F(CopyScripts, NoFolderForIt)
{
    EXPECT_NE(copy("tree/a", "nowhere/a"), 0);
    EXPECT_NE(copy("tree/a", "nowhere/"), 0);
    EXPECT_FALSE(fs::exists(at("nowhere")));
}

TEST_F(CopyScripts, HalfAnArchiveChangesNothing)
{
    write("big", std::string(100000, 'x'));
    write("to/big", "old");
    EXPECT_NE(copy("big", "to", 50000), 0);
    EXPECT_NE(copy("big", "to", 0), 0);
    EXPECT_EQ(text_of("to/big"), "old");
}

TEST_F(CopyScripts, SourceThatIsNotThere) { EXPECT_NE(run_and_capture(packing_command(at("nothing"))).status, 0); }

TEST(CopyEndTest, GuestOrPath)
{
    EXPECT_EQ(parse_copy_end("web:/etc").guest, "web");
    EXPECT_EQ(parse_copy_end("web:/etc").path, "/etc");
    EXPECT_EQ(parse_copy_end("web:").path, ".");
    EXPECT_EQ(parse_copy_end("/srv/a:b").guest, "");
    EXPECT_EQ(parse_copy_end("./a:b").guest, "");
    EXPECT_EQ(parse_copy_end("plain").path, "plain");
}

} // namespace
} // namespace colinux
