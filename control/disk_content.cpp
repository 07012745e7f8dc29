// SPDX-License-Identifier: GPL-2.0
#include "control/disk_content.hpp"

#include "control/config_text.hpp"

#include <blkid/blkid.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

namespace colinux {

using namespace std::string_view_literals;

namespace {

constexpr std::uint64_t kSector = 512;

struct Signature {
    const char* name;
    const char* program; // "qemu-img", or one that writes what it unpacks to its output
    std::int64_t offset; // negative: from the end
    std::string_view bytes;
};

// qemu-img's names, where it is the program
constexpr Signature kSignatures[] = {
    {"qcow2", "qemu-img", 0, "QFI\xfb"sv},
    {"qed", "qemu-img", 0, "QED\0"sv},
    {"vmdk", "qemu-img", 0, "KDMV"sv},
    {"vmdk", "qemu-img", 0, "COWD"sv},
    {"vmdk", "qemu-img", 0, "# Disk DescriptorFile"sv},
    {"vhdx", "qemu-img", 0, "vhdxfile"sv},
    {"vpc", "qemu-img", 0, "conectix"sv}, // VHD, growing
    {"vpc", "qemu-img", -512, "conectix"sv},
    {"vdi", "qemu-img", 64, "\x7f\x10\xda\xbe"sv},
    {"parallels", "qemu-img", 0, "WithoutFreeSpace"sv},
    {"parallels", "qemu-img", 0, "WithouFreSpacExt"sv},
    {"gzip", "zcat", 0, "\x1f\x8b\x08"sv},
    {"xz", "xzcat", 0, "\xfd" "7zXZ\0"sv},
    {"zstd", "zstdcat", 0, "\x28\xb5\x2f\xfd"sv},
    {"bzip2", "bzcat", 0, "BZh"sv},
    {"lz4", "lz4cat", 0, "\x04\x22\x4d\x18"sv},
    {"zip", "funzip", 0, "PK\x03\x04"sv},
};

bool has(int fd, std::uint64_t size, const Signature& signature)
{
    char found[32];
    std::uint64_t at = static_cast<std::uint64_t>(signature.offset) + (signature.offset < 0 ? size : 0);
    auto wanted = static_cast<ssize_t>(signature.bytes.size());
    return at < size && pread(fd, found, signature.bytes.size(), static_cast<off_t>(at)) == wanted &&
           memcmp(found, signature.bytes.data(), signature.bytes.size()) == 0;
}

// As one word of a shell's.
std::string quoted(const std::string& word)
{
    auto plain = [](char c) { return isalnum(static_cast<unsigned char>(c)) || strchr("/._-+:@%=,", c); };
    if (std::ranges::all_of(word, plain))
        return word;
    std::string text = "'";
    for (char c : word)
        text += c == '\'' ? "'\\''" : std::string(1, c);
    return text + "'";
}

std::string conversion(const Signature& signature, const std::string& path)
{
    std::filesystem::path target{path};
    if (std::string extension = target.extension(); extension != ".raw" && extension != ".img")
        target.replace_extension(); // debian.raw.xz
    if (std::string extension = target.extension(); (extension != ".raw" && extension != ".img") || target == path)
        target += ".raw";
    if (signature.program == "qemu-img"sv)
        return std::string{"qemu-img convert -f "} + signature.name + " -O raw " + quoted(path) + " " + quoted(target);
    return std::string{signature.program} + " <" + quoted(path) + " >" + quoted(target);
}

using Probe = std::unique_ptr<blkid_struct_probe, decltype(&blkid_free_probe)>;

Probe probe_of(int fd, std::uint64_t start, std::uint64_t bytes)
{
    Probe probe{blkid_new_probe(), &blkid_free_probe};
    if (probe && blkid_probe_set_device(probe.get(), fd, static_cast<blkid_loff_t>(start), static_cast<blkid_loff_t>(bytes)) != 0)
        probe.reset();
    return probe;
}

} // namespace

std::optional<ForeignFormat> foreign_format(int fd, std::uint64_t bytes, const std::string& path)
{
    for (const Signature& signature : kSignatures)
        if (has(fd, bytes, signature))
            return ForeignFormat{signature.name == "vpc"sv ? "vhd" : signature.name, conversion(signature, path)};
    return std::nullopt;
}

std::string file_system_at(int fd, std::uint64_t start, std::uint64_t bytes)
{
    Probe probe = probe_of(fd, start, bytes);
    const char* type = nullptr;
    if (!probe || blkid_probe_enable_superblocks(probe.get(), 1) != 0 ||
        blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE) != 0 || blkid_do_safeprobe(probe.get()) != 0 ||
        blkid_probe_lookup_value(probe.get(), "TYPE", &type, nullptr) != 0)
        return "";
    return type;
}

std::vector<Partition> partitions_in(int fd)
{
    std::vector<Partition> found;
    Probe probe = probe_of(fd, 0, 0);
    if (!probe || !file_system_at(fd, 0, 0).empty() || blkid_probe_enable_partitions(probe.get(), 1) != 0)
        return found;
    blkid_partlist list = blkid_probe_get_partitions(probe.get());
    for (int index = 0; list && index < blkid_partlist_numof_partitions(list); index++) {
        blkid_partition partition = blkid_partlist_get_partition(list, index);
        if (!partition || blkid_partition_is_extended(partition) || blkid_partition_get_size(partition) <= 0)
            continue;
        found.push_back({static_cast<unsigned>(blkid_partition_get_partno(partition)),
                         static_cast<std::uint64_t>(blkid_partition_get_start(partition)) * kSector,
                         static_cast<std::uint64_t>(blkid_partition_get_size(partition)) * kSector, ""});
        found.back().file_system = file_system_at(fd, found.back().start, found.back().bytes);
    }
    return found;
}

std::string partition_list(const std::vector<Partition>& partitions, const std::string& path)
{
    std::string list;
    for (const Partition& partition : partitions)
        list += (list.empty() ? "" : ", ") + path + ",partition=" + std::to_string(partition.number) + " (" +
                (partition.file_system.empty() ? "no file system" : partition.file_system) + ", " + size_text(partition.bytes) + ")";
    return list;
}

} // namespace colinux
