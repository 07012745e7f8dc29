// SPDX-License-Identifier: GPL-2.0
// ExtImage: the ext2, ext3 or ext4 file system in a disk, read by libext2fs: nothing is mounted and nothing written. What is in it
// was written by a guest: names and sizes are checked by whoever uses them. Its journal is not replayed: what a guest that was
// killed did in its last half minute may not be there yet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct struct_ext2_filsys;

namespace colinux {

class ExtImage {
public:
    // The file system that begins at byte `start` of the open file; nullopt: it is none of these, or damaged.
    static std::optional<ExtImage> open(int fd, std::uint64_t start);

    std::vector<std::string> names_in(const std::string& folder) const; // empty, too, where there is no such folder

    bool has(const std::string& path) const; // of whatever kind; links are followed

    struct File {
        std::uint32_t inode, generation;
        std::uint64_t bytes;
        std::uint32_t modified, changed; // seconds since 1970
        bool operator==(const File&) const = default;
    };
    // Links are followed, inside the file system. nullopt: no such regular file.
    std::optional<File> find(const std::string& path) const;

    // Hands the content out piece by piece; false: `take` did not want more. Failure: NotCopied, it cannot be read, or is shorter than
    // its size says.
    bool read(const std::string& path, const File& file, const std::function<bool(const char*, std::size_t)>& take) const;

private:
    using Handle = std::unique_ptr<struct_ext2_filsys, void (*)(struct_ext2_filsys*)>;
    explicit ExtImage(Handle handle) : handle_{std::move(handle)} {}

    Handle handle_;
};

} // namespace colinux
