// SPDX-License-Identifier: GPL-2.0
#include "cli/image_import.hpp"

#include "cli/archive.hpp"
#include "cli/ext_image.hpp"
#include "cli/ext_root.hpp"
#include "cli/disk_copy.hpp"
#include "cli/guest_root.hpp"
#include "cli/image_store.hpp"
#include "cli/stop_signals.hpp"
#include "cli/subprocess.hpp"
#include "control/config_text.hpp"
#include "control/disk_content.hpp"
#include "control/disk_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMiB = 1 << 20, kRoom = 64 * kMiB;
using Lines = std::vector<std::string>;

std::uint64_t bytes_in(const std::string& folder, StopSignals& stop)
{
    std::uint64_t bytes = 0;
    for (auto entry = fs::recursive_directory_iterator{folder}; entry != fs::recursive_directory_iterator{}; ++entry) {
        stop.check();
        bytes += 4096 + (entry->is_regular_file() && !entry->is_symlink() ? (entry->file_size() + 4095) / 4096 * 4096 : 0);
    }
    return bytes;
}

void make_file_system(const std::string& folder, const ImportOptions& options, const std::string& image, StopSignals& stop)
{
    need_program("mke2fs", "e2fsprogs");
    std::uint64_t content = bytes_in(folder, stop), bytes = options.bytes ? options.bytes : content + content / 4 + kRoom;
    bytes = (bytes + kMiB - 1) / kMiB * kMiB;
    if (bytes < content)
        throw Failure{ExitCode::ImageSize, "size " + size_text(bytes) + " is too small: there are " + std::to_string(content / kMiB + 1) + "M of files"};
    Finished made = run_and_capture({"mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", folder, "-E", "lazy_itable_init=0,lazy_journal_init=0", image,
                                     std::to_string(bytes / 1024) + "k"},
                                    &stop);
    if (made.status == 0)
        return;
    fs::space_info space = fs::space(fs::path{image}.parent_path());
    if (space.available < kMiB)
        throw Failure{ExitCode::NotSaved, image + ": no space left; make room, or choose another COLINUX_STATE_DIR"};
    throw Failure{ExitCode::ImageSize, "a file system of " + size_text(bytes) + " could not be made of it, as it is too small for its files: give a larger --size"};
}

void copy_folder(const std::string& from, const std::string& to, StopSignals& stop)
{
    // What cp does and std::filesystem does not: owners, devices, links to one file, extended attributes
    if (Finished copied = run_and_capture({"cp", "-a", "--reflink=auto", from + "/.", to}, &stop); copied.status != 0)
        throw Failure{ExitCode::NotSaved, from + " could not be copied whole to " + to + ": is there room, and may all of it be read?"};
}

void import_tree(const ImportOptions& options, const std::string& scratch, const std::string& image, StopSignals& stop, Lines& told)
{
    std::string root = scratch + "/root";
    if (mkdir(root.c_str(), 0755) != 0)
        throw Failure{ExitCode::NotSaved, root + ": cannot be made"};
    if (fs::is_directory(options.source))
        copy_folder(options.source, root, stop);
    else
        unpack_tar(options.source, root, &stop);
    FolderRoot folder{root};
    told = repair_root(folder, options.root_login);
    make_file_system(root, options, image, stop);
}

// The raw form of any disk image; `source` itself where it is raw.
std::string raw_of(const ImportOptions& options, const std::string& scratch, StopSignals& stop)
{
    UniqueFd fd{open(options.source.c_str(), O_RDONLY | O_CLOEXEC)};
    std::optional<ForeignFormat> format = foreign_format(fd.get(), fs::file_size(options.source), options.source);
    if (!format)
        return options.source;
    std::string raw = scratch + "/raw";
    if (archive_kind(options.source) == ArchiveKind::Compressed) {
        unpack_stream(options.source, raw, &stop);
        return raw;
    }
    need_program("qemu-img", "qemu-utils");
    // Never "auto", nor with a backing file, which could name any file of the host's
    std::string name = format->name == "vhd" ? "vpc" : format->name;
    Finished facts = run_and_capture({"qemu-img", "info", "--output=json", "-f", name, options.source}, &stop);
    if (facts.status != 0)
        throw Failure{ExitCode::ImportUnfit, options.source + " looks like " + format->name + ", and qemu-img cannot read it: is it damaged or cut off?"};
    if (facts.output.find("\"backing-filename\"") != std::string::npos || facts.output.find("\"data-file\"") != std::string::npos)
        throw Failure{ExitCode::ImportUnfit, options.source + " is only a part: its other data lie in another file; join them first: qemu-img convert -O raw " +
                                                 options.source + " WHOLE.raw"};
    if (run_and_capture({"qemu-img", "convert", "-f", name, "-O", "raw", options.source, raw}, &stop).status != 0)
        throw Failure{ExitCode::ImportUnfit, options.source + ": qemu-img cannot convert it: it is damaged, or there is no room in " + scratch};
    return raw;
}

bool is_root(int fd, std::uint64_t start)
{
    std::optional<ExtImage> image = ExtImage::open(fd, start);
    return image && !image->names_in("/etc").empty() && (!image->names_in("/sbin").empty() || !image->names_in("/usr/sbin").empty() || !image->names_in("/bin").empty());
}

unsigned partition_of(const std::string& raw, const ImportOptions& options)
{
    UniqueFd fd{open(raw.c_str(), O_RDONLY | O_CLOEXEC)};
    std::vector<Partition> partitions = partitions_in(fd.get());
    if (options.partition != 0 || partitions.empty())
        return options.partition;
    std::vector<unsigned> roots;
    for (const Partition& one : partitions)
        if (is_root(fd.get(), one.start))
            roots.push_back(one.number);
    if (roots.size() == 1)
        return roots[0];
    std::string list;
    for (const Partition& one : partitions)
        list += (list.empty() ? "" : ", ") + std::to_string(one.number) + " (" + (one.file_system.empty() ? "no file system" : one.file_system) + ", " + size_text(one.bytes) + ")";
    throw Failure{ExitCode::DiskPartition, options.source + " has several partitions, and " + (roots.empty() ? "none" : "more than one") +
                                               " of them is seen to be a root file system: say which one: --partition N, of " + list};
}

void refuse_unknown(const std::string& raw, const std::string& source)
{
    UniqueFd fd{open(raw.c_str(), O_RDONLY | O_CLOEXEC)};
    if (partitions_in(fd.get()).empty() && file_system_at(fd.get(), 0, 0).empty())
        throw Failure{ExitCode::ImportUnfit, source + ": no file system or partition table that is known is in it, and it is no tar archive"};
}

void import_disk(const ImportOptions& options, const std::string& scratch, const std::string& image, StopSignals& stop, Lines& told)
{
    DiskConfig disk{raw_of(options, scratch, stop)};
    disk.raw = true;
    refuse_unknown(disk.path, options.source);
    disk.partition = partition_of(disk.path, options);
    copy_disk_part(disk, image, stop);
    if (disk.partition)
        told.push_back("partition " + std::to_string(disk.partition) + " of it is the image");
    UniqueFd fd{open(image.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string type = file_system_at(fd.get(), 0, 0);
    if (!type.starts_with("ext")) {
        if (type.empty())
            throw Failure{ExitCode::ImportUnfit, options.source + ": no file system that is known is in it, and it is no archive"};
        told.push_back("it is " + type + ", which is taken as it is: fstab, console and network are yours, and its guest needs --kernel and --initrd");
        return;
    }
    ExtRoot root{image, scratch, stop};
    Lines changed = repair_root(root, options.root_login);
    told.insert(told.end(), changed.begin(), changed.end());
    if (options.bytes)
        resize_file_system(image, options.bytes, stop);
}

// Beside the image, where BootFiles looks when there is none in it.
void put_kernel(const ImportOptions& options, const std::string& image, Lines& told)
{
    UniqueFd fd{open(image.c_str(), O_RDONLY | O_CLOEXEC)};
    std::optional<ExtImage> opened = ExtImage::open(fd.get(), 0);
    std::vector<std::string> boot = opened ? opened->names_in("/boot") : Lines{};
    bool has_kernel = std::ranges::any_of(boot, [](const std::string& name) { return name.starts_with("vmlinuz-"); });
    std::error_code error;
    fs::create_directory(image + ".boot", error);
    for (auto [from, name] : {std::pair{options.kernel, "vmlinuz"}, std::pair{options.initrd, "initrd.img"}})
        if (!from.empty() && !error)
            fs::copy_file(from, fs::path{image + ".boot"} / name, error);
    if (error)
        throw Failure{ExitCode::KernelMissing, "kernel or initramfs cannot be copied: " + error.message()};
    if (has_kernel && !options.kernel.empty())
        told.push_back("it has a kernel in /boot, which comes before the one that was given");
    if (!has_kernel && options.kernel.empty())
        told.push_back("it has no kernel in /boot: run it with --kernel and --initrd, or import it with them; those of a Debian image lie in its IMAGE.boot");
}

} // namespace

std::vector<std::string> import_image(const ImportOptions& options, const std::string& path, StopSignals& stop)
{
    std::error_code error;
    fs::file_status status = fs::status(options.source, error);
    if (!fs::exists(status))
        throw Failure{ExitCode::ImportUnfit, options.source + " is not there, or cannot be looked at"};
    if (!fs::is_directory(status) && !fs::is_regular_file(status))
        throw Failure{ExitCode::ImportUnfit, options.source + " is neither a folder nor a file"};
    ScratchFolder scratch{fs::path{path}.parent_path()};
    std::string image = scratch.path() + "/image";
    Lines told;
    bool tree = fs::is_directory(status) || archive_kind(options.source) == ArchiveKind::Tar;
    (tree ? import_tree : import_disk)(options, scratch.path(), image, stop, told);
    put_kernel(options, image, told);
    stop.check();
    give_name(image, path);
    return told;
}

} // namespace colinux
