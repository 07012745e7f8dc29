// SPDX-License-Identifier: GPL-2.0
// The cache of unpacked kernels: what it gives back is what was stored, or nothing; nothing that is wrong with it is fatal.
#include "fake_kernel.hpp"
#include "test_files.hpp"

#include "vmm/loader/kernel_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace colinux::testing {
namespace {

namespace fs = std::filesystem;

class KernelCacheTest : public ::testing::Test {
protected:
    ~KernelCacheTest() override { fs::remove_all(folder_.parent_path()); }

    static fs::path new_folder()
    {
        char path[] = "/tmp/colinux-test-XXXXXX";
        return fs::path{mkdtemp(path)} / "cache";
    }
    static KernelCache::Key key(int number) { return KernelCache::key_of(ByteView{Bytes(1, std::byte(number))}); }
    static Bytes image(std::size_t bytes, int filler = 7) { return Bytes(bytes, std::byte(filler)); }

    std::vector<fs::path> files() const
    {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator{folder_})
            found.push_back(entry.path());
        return found;
    }
    void one_hour_passes() const
    {
        for (const fs::path& file : files())
            fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours{1});
    }
    // Replaces one byte of the only entry.
    void damage(std::streamoff offset) const
    {
        std::fstream file{files().at(0), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(offset).put('\xee');
    }

    fs::path folder_{new_folder()};
    KernelCache cache_{folder_};
};

TEST_F(KernelCacheTest, StoredImageIsFound)
{
    Bytes elf = FakeKernel{}.elf();
    EXPECT_FALSE(cache_.find(key(1)));
    cache_.store(key(1), ByteView{elf});
    ASSERT_TRUE(cache_.find(key(1)));
    EXPECT_EQ(bytes_of(cache_.find(key(1))->elf), elf);
    EXPECT_FALSE(cache_.find(key(2)));
}

std::size_t pages_in_memory(ByteView bytes)
{
    std::ifstream smaps{"/proc/self/smaps"};
    std::ostringstream address;
    address << std::hex << reinterpret_cast<std::uintptr_t>(bytes.data()) << "-";
    std::size_t kib = 0;
    bool here = false;
    for (std::string line; std::getline(smaps, line);) {
        here = here || line.starts_with(address.str());
        if (here && sscanf(line.c_str(), "Rss: %zu", &kib) == 1)
            break;
    }
    return kib / 4;
}

TEST_F(KernelCacheTest, PagesAreLetGoAndFetchedAgain)
{
    Bytes elf = image(1 << 20);
    cache_.store(key(1), ByteView{elf});
    KernelCache::Entry entry = *cache_.find(key(1));
    EXPECT_EQ(pages_in_memory(entry.owner->bytes()), 257u) << "found is read";
    entry.owner->let_go();
    EXPECT_EQ(pages_in_memory(entry.owner->bytes()), 0u);
    EXPECT_TRUE(entry.owner->fetch());
    EXPECT_EQ(pages_in_memory(entry.owner->bytes()), 257u);
    EXPECT_EQ(bytes_of(entry.elf), elf);
}

TEST_F(KernelCacheTest, AnImageThatWasUnpackedIsNotKeptInMemory)
{
    Bytes vmlinuz = FakeKernel{}.bzimage();
    for (const char* when : {"unpacked", "from the cache"})
        EXPECT_TRUE(parse_kernel_file(ByteView{vmlinuz}, "vmlinuz", cache_).cached) << when;
    EXPECT_FALSE(parse_kernel_file(ByteView{vmlinuz}, "vmlinuz").cached) << "where there is no cache";
}

TEST_F(KernelCacheTest, KeyIsTheXxh3OfTheFile)
{
    cache_.store(KernelCache::key_of(ByteView{Bytes{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}}}), ByteView{image(100)});
    EXPECT_EQ(files().at(0).filename(), "06b05ab6733a618578af5f94892f3950.vmlinux"); // xxhsum -H2
}

TEST_F(KernelCacheTest, FolderAndEntriesAreTheOwnersAlone)
{
    cache_.store(key(1), ByteView{image(100)});
    EXPECT_EQ(fs::status(folder_).permissions(), fs::perms::owner_all);
    EXPECT_EQ(fs::status(files().at(0)).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(KernelCacheTest, DamagedEntryIsRemoved)
{
    for (std::streamoff offset : {0, 20, 36, 50, 4096, 4096 + 9'999}) {
        cache_.store(key(1), ByteView{image(10'000)});
        ASSERT_TRUE(cache_.find(key(1)));
        damage(offset);
        EXPECT_FALSE(cache_.find(key(1))) << offset;
        EXPECT_TRUE(files().empty()) << offset;
    }
}

TEST_F(KernelCacheTest, EntryOfAnotherLengthIsRemoved)
{
    for (std::uintmax_t bytes : {0, 30, 4096, 4097, 4096 + 9'999, 4096 + 10'001}) {
        cache_.store(key(1), ByteView{image(10'000, 0)});
        fs::resize_file(files().at(0), bytes);
        EXPECT_FALSE(cache_.find(key(1))) << bytes;
        EXPECT_TRUE(files().empty()) << bytes;
    }
}

TEST_F(KernelCacheTest, EntryUnderAnotherNameIsRemoved)
{
    cache_.store(key(1), ByteView{image(100)});
    fs::path first = files().at(0);
    cache_.store(key(2), ByteView{image(200)});
    for (const fs::path& file : files())
        if (file != first)
            fs::rename(file, first);
    EXPECT_FALSE(cache_.find(key(1)));
}

TEST_F(KernelCacheTest, WhatOthersCanWriteIsNotTrusted)
{
    cache_.store(key(1), ByteView{image(100)});
    fs::permissions(files().at(0), fs::perms::group_write, fs::perm_options::add);
    EXPECT_FALSE(cache_.find(key(1)));
    fs::permissions(files().at(0), fs::perms::group_write, fs::perm_options::remove);
    EXPECT_TRUE(cache_.find(key(1)));
    fs::permissions(folder_, fs::perms::others_write, fs::perm_options::add);
    EXPECT_FALSE(cache_.find(key(1)));
    cache_.store(key(2), ByteView{image(100)});
    EXPECT_EQ(files().size(), 1u);
}

TEST_F(KernelCacheTest, LinkInPlaceOfAnEntryIsNotFollowed)
{
    cache_.store(key(1), ByteView{image(100)});
    fs::path entry = files().at(0), elsewhere = folder_.parent_path() / "elsewhere";
    fs::rename(entry, elsewhere);
    fs::create_symlink(elsewhere, entry);
    EXPECT_FALSE(cache_.find(key(1)));
}

TEST_F(KernelCacheTest, FolderThatCannotBeUsedIsNoCache)
{
    for (const char* folder : {"", "/nonexistent/deeper/cache", "/proc/self", "/dev/null", "/sys/colinux-cache"}) {
        KernelCache cache{folder};
        cache.store(key(1), ByteView{image(100)});
        EXPECT_FALSE(cache.find(key(1))) << folder;
    }
}

TEST_F(KernelCacheTest, LeastRecentlyUsedMakesRoom)
{
    KernelCache small{folder_, 3 * (4096 + 1000)};
    for (int number : {1, 2, 3}) {
        small.store(key(number), ByteView{image(1000)});
        one_hour_passes();
    }
    EXPECT_TRUE(small.find(key(1))); // used again
    small.store(key(4), ByteView{image(1000)});
    EXPECT_EQ(files().size(), 3u);
    EXPECT_TRUE(small.find(key(1)) && small.find(key(3)) && small.find(key(4)));
    EXPECT_FALSE(small.find(key(2)));
}

TEST_F(KernelCacheTest, ImageLargerThanTheBoundIsNotKept)
{
    KernelCache small{folder_, 8000};
    small.store(key(1), ByteView{image(1000)});
    small.store(key(2), ByteView{image(5000)});
    EXPECT_TRUE(small.find(key(1)));
    EXPECT_FALSE(small.find(key(2)));
}

TEST_F(KernelCacheTest, WritersAtTheSameTimeLeaveOneWholeEntry)
{
    Bytes elf = image(300'000);
    std::vector<std::jthread> writers;
    std::atomic<int> wrong{0};
    for (int writer = 0; writer < 8; writer++)
        writers.emplace_back([&] {
            for (int round = 0; round < 10; round++) {
                cache_.store(key(1), ByteView{elf});
                auto found = cache_.find(key(1));
                if (found && bytes_of(found->elf) != elf)
                    wrong++;
            }
        });
    writers.clear();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(files().size(), 1u);
    EXPECT_TRUE(cache_.find(key(1)));
}

TEST_F(KernelCacheTest, FoundImageOutlivesItsEntry)
{
    cache_.store(key(1), ByteView{image(10'000)});
    auto found = cache_.find(key(1));
    fs::remove_all(folder_);
    EXPECT_EQ(bytes_of(found->elf), image(10'000));
}

TEST_F(KernelCacheTest, KernelFileComesFromTheCacheTheSecondTime)
{
    Bytes packed = FakeKernel{}.bzimage();
    KernelFile first = parse_kernel_file(ByteView{packed}, "k", cache_);
    ASSERT_EQ(files().size(), 1u);
    Bytes other = FakeKernel{.release = "6.1.0-from-the-cache"}.elf(); // what decompressing would not give
    fs::remove(files().at(0));
    cache_.store(KernelCache::key_of(ByteView{packed}), ByteView{other});
    KernelFile second = parse_kernel_file(ByteView{packed}, "k", cache_);
    EXPECT_EQ(bytes_of(first.elf), FakeKernel{}.elf());
    EXPECT_EQ(bytes_of(second.elf), other);
    EXPECT_EQ(second.setup_header, first.setup_header);
}

TEST_F(KernelCacheTest, DamagedKernelFileIsNotKept)
{
    Bytes packed = FakeKernel{}.bzimage();
    for (std::size_t i = 3000; i < 3100; i++)
        packed[i] ^= std::byte{0x55};
    EXPECT_EQ(failure_of([&] { parse_kernel_file(ByteView{packed}, "k", cache_); }).code(), ExitCode::KernelDamaged);
    EXPECT_FALSE(fs::exists(folder_));
}

} // namespace
} // namespace colinux::testing
