// SPDX-License-Identifier: GPL-2.0
// What lies in an image: another format than a raw disk, a partition table, a file system. Read only, and by libblkid where a
// parser is needed: whoever wrote the image is not trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

struct ForeignFormat {
    std::string name;       // "qcow2", "gzip"
    std::string conversion; // the command that makes a raw image of `path`
};
// An image of such a format would be damaged by a guest that takes it for its disk.
std::optional<ForeignFormat> foreign_format(int fd, std::uint64_t bytes, const std::string& path);

struct Partition {
    unsigned number; // as in /dev/sda1
    std::uint64_t start, bytes;
    std::string file_system; // "ext4"; empty: none that is known
};
// Those of an MBR or a GPT that can hold something; none when the disk as a whole is a file system.
std::vector<Partition> partitions_in(int fd);

// "FILE,partition=1 (ext4, 20G), FILE,partition=2 (...)", for messages
std::string partition_list(const std::vector<Partition>& partitions, const std::string& path);

// "ext4"; empty: none that is known. bytes 0: up to the end.
std::string file_system_at(int fd, std::uint64_t start, std::uint64_t bytes);

} // namespace colinux
