// SPDX-License-Identifier: GPL-2.0
#include "cli/boot_files.hpp"

#include "cli/ext_image.hpp"
#include "cli/stop_signals.hpp"
#include "control/disk_content.hpp"
#include "control/disk_file.hpp"
#include "control/failure.hpp"
#include "control/graft_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kKernel = "vmlinuz-";
constexpr std::uint64_t kLargest = 1ull << 30; // a guest wrote what stands in the image

struct Candidate {
    std::string release, kernel_path, initrd_path;
    ExtImage::File kernel;
    std::optional<ExtImage::File> initrd;
};

// A release goes into messages and into a file; dpkg's unfinished files and editors' old ones have other names.
bool plain(std::string_view release)
{
    for (std::string_view end : {".dpkg-new", ".dpkg-tmp", ".dpkg-old", ".dpkg-dist", ".old", ".bak"})
        if (release.ends_with(end))
            return false;
    return !release.empty() && release.size() <= 64 &&
           std::ranges::all_of(release, [](char c) { return isalnum(static_cast<unsigned char>(c)) || strchr("._+~-", c); });
}

std::vector<Candidate> kernels_in(const ExtImage& image) // the newest first
{
    std::vector<Candidate> found;
    for (const std::string& name : image.names_in("/boot")) {
        if (!name.starts_with(kKernel) || !plain(name.substr(kKernel.size())))
            continue;
        std::string release = name.substr(kKernel.size());
        Candidate kernel{release, "/boot/" + name, "/boot/initrd.img-" + release, {}, image.find("/boot/initrd.img-" + release)};
        if (auto file = image.find(kernel.kernel_path)) {
            kernel.kernel = *file;
            found.push_back(std::move(kernel));
        }
    }
    std::ranges::sort(found, [](const Candidate& a, const Candidate& b) { return strverscmp(a.release.c_str(), b.release.c_str()) > 0; });
    return found;
}

// What tells this kernel and initramfs from others, also from those of the same release.
std::string stamp_of(const Candidate& kernel, const DiskFile& disk)
{
    std::ostringstream text;
    auto add = [&](const ExtImage::File& file) {
        text << " " << file.inode << " " << file.generation << " " << file.bytes << " " << file.modified << " " << file.changed << "\n";
    };
    text << kernel.release << " " << disk.start() << "\n";
    add(kernel.kernel);
    if (kernel.initrd)
        add(*kernel.initrd);
    return text.str();
}

std::string content(const fs::path& file)
{
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
}

// Whole, under its name, or not at all. Failure: NotCopied.
void write_whole(const fs::path& target, const std::function<bool(const std::function<bool(const char*, std::size_t)>&)>& write_all)
{
    std::string unfinished = target.string() + ".XXXXXX";
    UniqueFd fd{mkostemp(unfinished.data(), O_CLOEXEC)};
    bool good = static_cast<bool>(fd);
    try {
        good = good && fchmod(fd.get(), 0644) == 0 && write_all([&](const char* bytes, std::size_t count) {
            while (count) {
                ssize_t written = write(fd.get(), bytes, count);
                if (written <= 0)
                    return false;
                bytes += written;
                count -= static_cast<std::size_t>(written);
            }
            return true;
        }) && rename(unfinished.c_str(), target.c_str()) == 0;
    } catch (...) {
        unlink(unfinished.c_str());
        throw;
    }
    if (good)
        return;
    int error = errno;
    if (fd)
        unlink(unfinished.c_str());
    throw Failure{ExitCode::NotCopied, "kernel and initramfs are copied out of the image, but " + target.string() + " cannot be written: " +
                                           strerror(error) + "; make room, or set TMPDIR to a folder that has some"};
}

void write_text(const fs::path& target, const std::string& text)
{
    write_whole(target, [&](auto& take) { return take(text.data(), text.size()); });
}

void copy_out(const ExtImage& image, const std::string& path, const ExtImage::File& file, const fs::path& target, StopSignals* stop)
{
    if (file.bytes == 0 || file.bytes > kLargest)
        throw Failure{ExitCode::NotCopied, path + " in the image has " + std::to_string(file.bytes) + " bytes: no kernel or initramfs"};
    write_whole(target, [&](auto& take) {
        return image.read(path, file, [&](const char* bytes, std::size_t count) {
            if (stop)
                stop->check();
            return take(bytes, count);
        });
    });
}

void copy_both(const ExtImage& image, const Candidate& kernel, const fs::path& folder, StopSignals* stop)
{
    copy_out(image, kernel.kernel_path, kernel.kernel, folder / "vmlinuz", stop);
    if (kernel.initrd)
        copy_out(image, kernel.initrd_path, *kernel.initrd, folder / "initrd.img", stop);
    else
        fs::remove(folder / "initrd.img");
}

// False: the cache cannot be written, and has nothing in it that would be believed.
bool renew(const fs::path& cache, const ExtImage& image, const Candidate& kernel, const std::string& stamp, StopSignals* stop)
{
    std::error_code ignored;
    auto size_is = [&](const char* name, std::uint64_t bytes) { return fs::file_size(cache / name, ignored) == bytes && !ignored; };
    if (content(cache / "stamp") == stamp && size_is("vmlinuz", kernel.kernel.bytes) &&
        (!kernel.initrd || size_is("initrd.img", kernel.initrd->bytes)))
        return true;
    if (!fs::remove(cache / "stamp", ignored) && ignored)
        return false;
    try {
        copy_both(image, kernel, cache, stop);
        write_text(cache / "release", kernel.release + "\n");
        write_text(cache / "stamp", stamp);
        return true;
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::NotCopied)
            throw;
        return false;
    } catch (const fs::filesystem_error&) {
        return false;
    }
}

std::string list_of(const std::vector<Candidate>& kernels)
{
    std::string list;
    for (const Candidate& kernel : kernels)
        list += (list.empty() ? "" : ", ") + kernel.release;
    return list;
}

// The first that can be started; of those that were passed over, `note` tells.
const Candidate& choose(const std::vector<Candidate>& kernels, const std::string& disk, const HasGraft& can_start, std::string& note)
{
    bool want_initrd = std::ranges::any_of(kernels, [](const Candidate& kernel) { return kernel.initrd.has_value(); });
    for (const Candidate& kernel : kernels) {
        if (!can_start(kernel.release)) {
            note += "no graft for " + kernel.release + " (install linux-headers-" + kernel.release + " and run `colinux graft build`), ";
        } else if (want_initrd && !kernel.initrd) {
            note += "no initramfs of " + kernel.release + ", ";
        } else {
            if (!note.empty())
                note = disk + ": " + note + "so its older kernel " + kernel.release + " boots";
            return kernel;
        }
    }
    throw Failure{ExitCode::NoGraft, "no graft for any kernel of " + disk + " (" + list_of(kernels) + "); install linux-headers-" +
                                         kernels[0].release + " and run `colinux graft build`"};
}

void refuse_partitioned(const DiskFile& opened, const DiskConfig& disk)
{
    std::vector<Partition> partitions;
    if (disk.partition == 0 && !(partitions = partitions_in(opened.fd())).empty())
        throw Failure{ExitCode::DiskPartition, "disk " + disk.path + " is partitioned; say which one has the root file system: " +
                                                   partition_list(partitions, disk.path)};
}

DiskFile open_to_look(const DiskConfig& disk) { return DiskFile::open({disk.path, true, disk.partition, disk.raw}); }

} // namespace

bool has_graft(const std::string& release)
{
    return std::ranges::any_of(list_grafts(), [&](const GraftEntry& graft) { return graft.release == release; });
}

void check_root_disk(const DiskConfig& disk) { refuse_partitioned(open_to_look(disk), disk); }

BootFiles BootFiles::find(const DiskConfig& disk, StopSignals* stop, const HasGraft& can_start)
{
    DiskFile opened = open_to_look(disk); // locked: no guest writes to it meanwhile
    refuse_partitioned(opened, disk);
    BootFiles found;
    fs::path cache = disk.path + ".boot";
    std::optional<ExtImage> image = ExtImage::open(opened.fd(), opened.start());
    std::vector<Candidate> kernels = image ? kernels_in(*image) : std::vector<Candidate>{};
    if (kernels.empty()) {
        std::string type = image ? "" : file_system_at(opened.fd(), opened.start(), opened.bytes());
        if (!fs::exists(cache / "vmlinuz"))
            throw Failure{ExitCode::KernelMissing,
                          image ? "no /boot/vmlinuz-* in " + disk.path + ": give --kernel and --initrd"
                                : disk.path + " is " + (type.empty() ? "no file system that is known" : type) +
                                      ", and only ext2, 3 and 4 are looked into for a kernel: give --kernel and --initrd, copies of what it "
                                      "has in /boot"};
        found.kernel_ = cache / "vmlinuz";
        found.initrd_ = fs::exists(cache / "initrd.img") ? cache / "initrd.img" : "";
        return found;
    }
    const Candidate& kernel = choose(kernels, disk.path, can_start, found.note_);
    fs::path folder = cache;
    if (!fs::is_directory(cache) || !renew(cache, *image, kernel, stamp_of(kernel, opened), stop)) {
        std::string scratch = (fs::temp_directory_path() / "colinux-boot-XXXXXX").string();
        if (!mkdtemp(scratch.data()))
            throw Failure{ExitCode::NotCopied, "cannot make " + scratch + ": " + strerror(errno) + "; set TMPDIR to a folder that has room"};
        found.scratch_ = scratch;
        folder = scratch;
        copy_both(*image, kernel, folder, stop);
    }
    found.kernel_ = folder / "vmlinuz";
    found.initrd_ = kernel.initrd ? folder / "initrd.img" : "";
    return found;
}

BootFiles::BootFiles(BootFiles&& other) noexcept
    : kernel_{std::move(other.kernel_)}, initrd_{std::move(other.initrd_)}, note_{std::move(other.note_)}, scratch_{std::exchange(other.scratch_, "")}
{
}

BootFiles::~BootFiles()
{
    std::error_code ignored;
    if (!scratch_.empty())
        fs::remove_all(scratch_, ignored);
}

} // namespace colinux
