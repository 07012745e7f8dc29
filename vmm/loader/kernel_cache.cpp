// SPDX-License-Identifier: GPL-2.0
#include "vmm/loader/kernel_cache.hpp"

#include <xxhash.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <vector>

namespace colinux {

namespace {

constexpr std::string_view kSuffix = ".vmlinux";
constexpr std::uint64_t kImageOffset = 4096; // one page for the header, so that the image can be mapped

struct Header {
    char magic[16];
    KernelCache::Key key;
    std::uint64_t image_bytes;
    XXH128_hash_t image_sum;
};

constexpr char kMagic[sizeof(Header::magic)] = "colinux kernel2";

Header header_of(const KernelCache::Key& key, ByteView elf)
{
    Header header{};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.key = key;
    header.image_bytes = elf.size();
    header.image_sum = XXH3_128bits(elf.data(), elf.size());
    return header;
}

std::string name_of(const KernelCache::Key& key)
{
    std::string name;
    for (std::uint8_t byte : key) {
        name += "0123456789abcdef"[byte >> 4];
        name += "0123456789abcdef"[byte & 15];
    }
    return name.append(kSuffix);
}

// What others can write is not trusted.
bool is_ours_alone(const struct stat& status) { return status.st_uid == geteuid() && !(status.st_mode & 022); }

std::optional<KernelCache::Entry> map_entry(int file, std::uint64_t file_bytes, const KernelCache::Key& key)
{
    void* map = mmap(nullptr, file_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (map == MAP_FAILED)
        return {};
    auto owner = std::make_shared<const CachedImage>(map, file_bytes);
    if (!owner->fetch())
        return {};
    ByteView bytes = owner->bytes();
    ByteView elf = bytes.sub(kImageOffset, file_bytes - kImageOffset);
    Header expected = header_of(key, elf);
    if (std::memcmp(bytes.data(), &expected, sizeof expected) != 0)
        return {};
    return KernelCache::Entry{elf, owner};
}

bool write_all(int file, const void* bytes, std::uint64_t count, off_t offset)
{
    auto* next = static_cast<const char*>(bytes);
    while (count > 0) {
        ssize_t written = pwrite(file, next, count, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        next += written;
        offset += written;
        count -= static_cast<std::uint64_t>(written);
    }
    return true;
}

struct Stored {
    std::string name;
    std::uint64_t bytes;
    timespec used;
};

std::vector<Stored> entries_of(int folder)
{
    std::vector<Stored> entries;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::unique_ptr<DIR, int (*)(DIR*)> listing{fd < 0 ? nullptr : fdopendir(fd), closedir};
    while (const dirent* entry = listing ? readdir(listing.get()) : nullptr) {
        struct stat status;
        if (std::string_view{entry->d_name}.ends_with(kSuffix) && fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            entries.push_back({entry->d_name, static_cast<std::uint64_t>(status.st_size), status.st_mtim});
    }
    return entries;
}

// Removes what was used least recently until `wanted` more bytes stay below `maximum`.
void make_room(int folder, std::uint64_t wanted, std::uint64_t maximum)
{
    std::vector<Stored> entries = entries_of(folder);
    std::ranges::sort(entries, [](const Stored& a, const Stored& b) {
        return std::pair{a.used.tv_sec, a.used.tv_nsec} < std::pair{b.used.tv_sec, b.used.tv_nsec};
    });
    std::uint64_t total = wanted;
    for (const Stored& entry : entries)
        total += entry.bytes;
    for (auto entry = entries.begin(); entry != entries.end() && total > maximum; ++entry) {
        unlinkat(folder, entry->name.c_str(), 0);
        total -= entry->bytes;
    }
}

// A cache must not fill the disk.
bool has_space(int folder, std::uint64_t wanted)
{
    struct statvfs disk;
    return fstatvfs(folder, &disk) == 0 && std::uint64_t{disk.f_bavail} * disk.f_frsize >= 4 * wanted;
}

} // namespace

CachedImage::~CachedImage() { munmap(const_cast<void*>(address_), bytes_); }

bool CachedImage::fetch() const
{
    return madvise(const_cast<void*>(address_), bytes_, MADV_POPULATE_READ) == 0 || errno == EINVAL; // EINVAL: a kernel before 5.14
}

void CachedImage::let_go() const { madvise(const_cast<void*>(address_), bytes_, MADV_DONTNEED); }

KernelCache::KernelCache(std::string folder, std::uint64_t maximum_bytes) : folder_{std::move(folder)}, maximum_bytes_{maximum_bytes}
{
}

KernelCache KernelCache::of_this_host()
{
    const char* chosen = getenv("COLINUX_CACHE_DIR");
    return KernelCache{chosen ? chosen : "/var/cache/colinux"};
}

KernelCache::Key KernelCache::key_of(ByteView vmlinuz)
{
    XXH128_canonical_t sum;
    static_assert(sizeof sum.digest == std::tuple_size_v<Key>);
    XXH128_canonicalFromHash(&sum, XXH3_128bits(vmlinuz.data(), vmlinuz.size()));
    return std::to_array(sum.digest);
}

UniqueFd KernelCache::open_folder() const
{
    UniqueFd folder{open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct stat status;
    if (folder && fstat(folder.get(), &status) == 0 && is_ours_alone(status))
        return folder;
    return UniqueFd{};
}

std::optional<KernelCache::Entry> KernelCache::find(const Key& key) const
{
    UniqueFd folder = open_folder();
    std::string name = name_of(key);
    UniqueFd file{folder ? openat(folder.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1};
    struct stat status;
    if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || !is_ours_alone(status))
        return {};
    std::optional<Entry> entry;
    if (auto bytes = static_cast<std::uint64_t>(status.st_size); bytes > kImageOffset)
        entry = map_entry(file.get(), bytes, key);
    if (entry)
        futimens(file.get(), nullptr); // used now
    else
        unlinkat(folder.get(), name.c_str(), 0);
    return entry;
}

void KernelCache::store(const Key& key, ByteView elf) const
{
    if (folder_.empty() || kImageOffset + elf.size() > maximum_bytes_)
        return;
    mkdir(folder_.c_str(), 0700);
    UniqueFd folder = open_folder();
    if (!folder)
        return;
    make_room(folder.get(), kImageOffset + elf.size(), maximum_bytes_);
    if (!has_space(folder.get(), kImageOffset + elf.size()))
        return;
    // A file without a name until it is whole: a writer that is killed leaves nothing.
    UniqueFd file{openat(folder.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)};
    Header header = header_of(key, elf);
    if (!file || !write_all(file.get(), elf.data(), elf.size(), kImageOffset) || !write_all(file.get(), &header, sizeof header, 0))
        return;
    std::string unnamed = "/proc/self/fd/" + std::to_string(file.get());
    // EEXIST: another process was faster with the same bytes; and a cache that cannot be written is none
    std::ignore = linkat(AT_FDCWD, unnamed.c_str(), folder.get(), name_of(key).c_str(), AT_SYMLINK_FOLLOW);
}

} // namespace colinux
