// SPDX-License-Identifier: GPL-2.0
// A guest's requests to a folder of the host.
#include "cli/folder_server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

namespace colinux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kRoot = 0, kOther = 1, kThird = 2;

class FolderServerTest : public testing::Test {
protected:
    FolderServerTest()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        folder_ = mkdtemp(path);
        fs::create_directories(folder_ / "shown/sub");
        std::ofstream{folder_ / "secret"} << "secret";
        std::ofstream{folder_ / "shown/file"} << "content";
        fs::create_symlink("../secret", folder_ / "shown/link");
        mkfifo((folder_ / "shown/pipe").c_str(), 0600);
    }
    ~FolderServerTest() override { fs::remove_all(folder_); }

    void begin(bool writable)
    {
        server_.emplace(folder_ / "shown", writable);
        ask(std::move(request(NinepType::Version).u32(8192).text("9P2000.L")));
        ask(std::move(request(NinepType::Attach).u32(kRoot).u32(~0u).text("").text("").u32(geteuid())));
        ASSERT_EQ(error_, 0);
    }
    static NinepWriter request(NinepType type) { return {static_cast<std::uint8_t>(type), 1}; }
    // The answer behind its header; error_ says whether there is one.
    std::string ask(NinepWriter asked)
    {
        std::string answer = server_->answer(asked.finish().substr(4));
        NinepReader head{answer};
        EXPECT_EQ(head.u32(), answer.size());
        error_ = 0;
        if (head.u8() == 7) {
            head.u16();
            error_ = static_cast<int>(head.u32());
        }
        return answer.substr(kNinepHeader);
    }
    int walk(const std::string& name, std::uint32_t to = kOther)
    {
        ask(std::move(request(NinepType::Clunk).u32(to)));
        ask(std::move(request(NinepType::Walk).u32(kRoot).u32(to).u16(1).text(name)));
        return error_;
    }
    int open(std::uint32_t flags)
    {
        ask(std::move(request(NinepType::Open).u32(kOther).u32(flags)));
        return error_;
    }
    std::string content(const std::string& name) const
    {
        std::ostringstream text;
        text << std::ifstream{folder_ / "shown" / name}.rdbuf();
        return text.str();
    }

    fs::path folder_;
    std::optional<FolderServer> server_;
    int error_{};
};

TEST_F(FolderServerTest, FileIsRead)
{
    begin(false);
    ASSERT_EQ(walk("file"), 0);
    ASSERT_EQ(open(O_RDONLY), 0);
    EXPECT_EQ(ask(std::move(request(NinepType::Read).u32(kOther).u64(3).u32(100000))).substr(4), "tent");
    EXPECT_EQ(ask(std::move(request(NinepType::Read).u32(kOther).u64(7).u32(100))), std::string(4, '\0'));
}

TEST_F(FolderServerTest, FolderIsListedInPieces)
{
    begin(false);
    ASSERT_EQ(walk("sub", kThird), 0);
    ask(std::move(request(NinepType::Walk).u32(kRoot).u32(kOther).u16(0)));
    ASSERT_EQ(open(O_RDONLY), 0);
    std::set<std::string> names;
    std::uint64_t offset = 0;
    for (std::string list; !(list = ask(std::move(request(NinepType::Readdir).u32(kOther).u64(offset).u32(40))).substr(4)).empty();) {
        NinepReader entry{list};
        entry.take(13);
        offset = entry.u64();
        entry.u8();
        names.insert(entry.text());
    }
    EXPECT_EQ(names, (std::set<std::string>{".", "..", "file", "link", "pipe", "sub"}));
}

TEST_F(FolderServerTest, NothingOutsideTheFolderHasAName)
{
    begin(true);
    for (const char* name : {"..", ".", "", "sub/../..", "/etc"})
        EXPECT_EQ(walk(name), EINVAL) << name;
    ask(std::move(request(NinepType::Walk).u32(kRoot).u32(kOther).u16(2).text("link").text("x")));
    EXPECT_EQ(walk("link"), 0);
    EXPECT_EQ(open(O_RDONLY), EACCES); // the link itself, which nobody follows
    EXPECT_NE(ask(std::move(request(NinepType::Readlink).u32(kOther))).find("../secret"), std::string::npos);
    ask(std::move(request(NinepType::Unlinkat).u32(kRoot).text("../secret").u32(0)));
    EXPECT_EQ(error_, EINVAL);
    EXPECT_TRUE(fs::exists(folder_ / "secret"));
}

TEST_F(FolderServerTest, PipeIsNotOpened)
{
    begin(true);
    ASSERT_EQ(walk("pipe"), 0);
    EXPECT_EQ(open(O_RDWR), EACCES);
}

TEST_F(FolderServerTest, WhatIsOnlyShownIsNotChanged)
{
    begin(false);
    ASSERT_EQ(walk("file"), 0);
    for (std::uint32_t flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC})
        EXPECT_EQ(open(flags), EROFS);
    ask(std::move(request(NinepType::Mkdir).u32(kRoot).text("new").u32(0755).u32(0)));
    EXPECT_EQ(error_, EROFS);
    ask(std::move(request(NinepType::Unlinkat).u32(kRoot).text("file").u32(0)));
    EXPECT_EQ(error_, EROFS);
    ask(std::move(request(NinepType::Setattr).u32(kOther).u32(8).u32(0).u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0)));
    EXPECT_EQ(error_, EROFS);
    EXPECT_EQ(content("file"), "content");
    EXPECT_FALSE(fs::exists(folder_ / "shown/new"));
}

TEST_F(FolderServerTest, FileIsMadeAndWritten)
{
    begin(true);
    ask(std::move(request(NinepType::Walk).u32(kRoot).u32(kOther).u16(0)));
    ask(std::move(request(NinepType::Create).u32(kOther).text("new").u32(O_RDWR).u32(0640).u32(getegid())));
    ASSERT_EQ(error_, 0);
    ask(std::move(request(NinepType::Write).u32(kOther).u64(2).u32(3).u8('a').u8('b').u8('c')));
    EXPECT_EQ(error_, 0);
    EXPECT_EQ(content("new"), std::string("\0\0abc", 5));
    ask(std::move(request(NinepType::Renameat).u32(kRoot).text("new").u32(kRoot).text("old")));
    EXPECT_EQ(content("old").size(), 5u);
    ask(std::move(request(NinepType::Setattr).u32(kOther).u32(1 | 8).u32(0600).u32(0).u32(0).u64(1).u64(0).u64(0).u64(0).u64(0)));
    struct stat status;
    ASSERT_EQ(stat((folder_ / "shown/old").c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 1);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    ask(std::move(request(NinepType::Mknod).u32(kRoot).text("null").u32(S_IFCHR | 0666).u32(1).u32(3).u32(0)));
    EXPECT_EQ(error_, EPERM);
}

TEST_F(FolderServerTest, HandlesThatAreNoneAreRefused)
{
    begin(true);
    for (NinepType type : {NinepType::Open, NinepType::Getattr, NinepType::Readlink, NinepType::Clunk}) {
        ask(std::move(request(type).u32(77).u64(0)));
        EXPECT_EQ(error_, EBADF);
    }
    ask(std::move(request(NinepType::Read).u32(kRoot).u64(0).u32(10)));
    EXPECT_EQ(error_, EBADF); // not opened
    ask(std::move(request(NinepType::Walk).u32(kRoot).u32(kRoot + 5).u16(60000)));
    EXPECT_EQ(error_, EINVAL);
    ask(request(static_cast<NinepType>(200)));
    EXPECT_EQ(error_, EOPNOTSUPP);
}

TEST_F(FolderServerTest, DamagedMessageEndsTheStream)
{
    begin(true);
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::thread server{[&] { server_->serve(ends[0]); }};
    std::string cut = std::move(request(NinepType::Walk).u32(kRoot).u32(kOther).u16(3)).finish();
    EXPECT_EQ(send(ends[1], cut.data(), cut.size(), 0), static_cast<ssize_t>(cut.size()));
    char byte;
    EXPECT_EQ(recv(ends[1], &byte, 1, 0), 0);
    server.join();
    close(ends[0]);
    close(ends[1]);
}

} // namespace
} // namespace colinux
