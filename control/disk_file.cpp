// SPDX-License-Identifier: GPL-2.0
// DiskFile: opening, and what the file system or block layer can do about unused blocks.
#include "control/disk_file.hpp"

#include "control/disk_content.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace colinux {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::chrono::milliseconds kPause{20};

[[noreturn]] void refuse(ExitCode code, const std::string& path, const std::string& why)
{
    throw Failure{code, "disk " + path + ": " + why};
}

[[noreturn]] void refuse_open(const std::string& path, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        refuse(ExitCode::DiskMissing, path, "no such file; `colinux image create` makes one");
    case EISDIR:
        refuse(ExitCode::DiskUnfit, path, "is a directory; give an image file or a block device");
    case EROFS:
    case EACCES:
    case EPERM:
        refuse(ExitCode::DiskReadOnly, path, "cannot be written; append ,ro to use it read-only, or ,snapshot");
    case EBUSY:
    case ETXTBSY:
        refuse(ExitCode::DiskBusy, path, "another guest or the host uses it (mounted, swap, RAID, LVM); end that or append ,ro");
    default:
        refuse(ExitCode::DiskUnfit, path, std::string{"cannot be opened: "} + std::strerror(error));
    }
}

void refuse_mounted(const std::string& path, const std::string& mount_point, const std::string& or_else)
{
    if (!mount_point.empty())
        refuse(ExitCode::DiskBusy, path, "the host has mounted it; umount " + mount_point + or_else);
}

// A loop device that cannot write does no harm to a guest that cannot, either.
void refuse_loop(const std::string& path, const struct stat& file, bool read_only, const HostTables& host)
{
    LoopUse loop = loop_device_on(file, read_only, host);
    std::string detach = "losetup -d " + loop.device;
    refuse_mounted(path, loop.mount_point, " (where " + loop.device + " stays, too: " + detach + ")");
    if (!loop.device.empty())
        refuse(ExitCode::DiskBusy, path, "the host uses it as " + loop.device + "; unmount what is on that, then: " + detach);
}

// Until `attempt` returns another errno than EBUSY (0: it is done), or `patience` is over. The kernel tears an io_uring down
// after its process has gone, and only then closes its files.
template <typename Attempt>
int while_busy(std::chrono::milliseconds patience, Attempt attempt)
{
    auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        int error = attempt();
        if (error != EBUSY || std::chrono::steady_clock::now() >= end)
            return error;
        std::this_thread::sleep_for(kPause);
    }
}

bool is_unsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == ENODEV; }

} // namespace

DiskFile DiskFile::open(const DiskConfig& wanted, std::chrono::milliseconds patience, const HostTables& host)
{
    const std::string& path = wanted.path;
    bool read_only = wanted.read_only || wanted.snapshot;
    struct stat status;
    if (stat(path.c_str(), &status) != 0)
        refuse_open(path, errno);
    bool block_device = S_ISBLK(status.st_mode);
    if (S_ISDIR(status.st_mode))
        refuse_open(path, EISDIR);
    if (!block_device && !S_ISREG(status.st_mode))
        refuse(ExitCode::DiskUnfit, path, "is neither a file nor a block device");
    // Root may write to anything; a file that nobody may write to was protected on purpose.
    if (!read_only && (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0)
        refuse_open(path, EACCES);

    if (!block_device)
        refuse_loop(path, status, read_only, host);

    // O_EXCL without O_CREAT: fails with EBUSY on a block device that the host has mounted or that another guest uses.
    int flags = read_only ? O_RDONLY : O_RDWR | (block_device ? O_EXCL : 0);
    UniqueFd fd;
    int error = while_busy(patience, [&] {
        fd = UniqueFd{::open(path.c_str(), flags | O_CLOEXEC)};
        int failed = fd ? 0 : errno;
        if (failed == EBUSY)
            refuse_mounted(path, mount_point_of(status.st_rdev, host), ", or append ,ro");
        return failed;
    });
    if (error)
        refuse_open(path, error);
    DiskFile disk{std::move(fd), read_only};
    disk.snapshot_ = wanted.snapshot && !wanted.read_only;
    disk.measure(path);
    disk.choose(wanted);
    disk.lock(path, patience);
    return disk;
}

DiskFile DiskFile::temporary(std::uint64_t bytes)
{
    const char* chosen = std::getenv("TMPDIR");
    if (!chosen || !*chosen)
        chosen = access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
    std::string folder = chosen, name = folder + "/colinux-snapshot-XXXXXX";
    UniqueFd fd{::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    if (!fd && is_unsupported(errno)) { // a file system that has no such files
        fd = UniqueFd{mkostemp(name.data(), O_CLOEXEC)};
        if (fd)
            unlink(name.c_str());
    }
    if (!fd || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
        throw Failure{ExitCode::NoOverlay, "no temporary file for a snapshot in " + folder + ": " + std::strerror(errno) +
                                               "; set TMPDIR to a folder of a file system that has room"};
    DiskFile disk{std::move(fd), false};
    disk.bytes_ = bytes;
    return disk;
}

void DiskFile::measure(const std::string& path)
{
    struct stat status;
    if (fstat(fd(), &status) != 0)
        refuse_open(path, errno);
    if (S_ISBLK(status.st_mode)) {
        int size = 512, protection = 0;
        ioctl(fd(), BLKSSZGET, &size);
        block_size_ = static_cast<std::uint32_t>(size);
        if (!read_only_ && ioctl(fd(), BLKROGET, &protection) == 0 && protection)
            refuse_open(path, EROFS);
    }
    off_t end = lseek(fd(), 0, SEEK_END);
    bytes_ = end > 0 ? static_cast<std::uint64_t>(end) : 0;
    if (bytes_ == 0)
        refuse(ExitCode::DiskUnfit, path, "is empty; give it a size (truncate -s 4G) and a file system");
}

void DiskFile::choose(const DiskConfig& wanted)
{
    const std::string& path = wanted.path;
    if (std::optional<ForeignFormat> format = wanted.raw ? std::nullopt : foreign_format(fd(), bytes_, path))
        refuse(ExitCode::DiskFormat, path,
               "is " + format->name + ", not a raw disk; convert it: " + format->conversion + " (or append ,format=raw: take it as it is)");
    if (wanted.partition == 0) {
        if (bytes_ % kSector)
            refuse(ExitCode::DiskUnfit, path,
                   "its size of " + std::to_string(bytes_) +
                       " bytes is not a multiple of 512: was it copied whole? If so, fill its last sector: truncate -s %512 " + path);
        return;
    }
    std::vector<Partition> partitions = partitions_in(fd());
    auto found = std::ranges::find(partitions, wanted.partition, &Partition::number);
    if (found == partitions.end())
        refuse(ExitCode::DiskPartition, path,
               "has no partition " + std::to_string(wanted.partition) +
                   (partitions.empty() ? ": no partition table; leave ,partition away" : ", but: " + partition_list(partitions, path)));
    if (found->start > bytes_ || found->bytes > bytes_ - found->start)
        refuse(ExitCode::DiskUnfit, path,
               "ends before its partition " + std::to_string(wanted.partition) + " does: it was not copied whole");
    start_ = found->start;
    bytes_ = found->bytes;
}

void DiskFile::lock(const std::string& path, std::chrono::milliseconds patience) const
{
    struct flock mine{}; // two guests may have a partition each
    mine.l_type = read_only_ ? F_RDLCK : F_WRLCK;
    mine.l_whence = SEEK_SET;
    mine.l_start = static_cast<off_t>(start_);
    mine.l_len = static_cast<off_t>(bytes_);
    int error = while_busy(patience, [&] {
        if (fcntl(fd(), F_OFD_SETLK, &mine) == 0)
            return 0;
        return errno == EAGAIN || errno == EACCES ? EBUSY : errno;
    });
    if (error == EBUSY)
        refuse(ExitCode::DiskBusy, path,
               read_only_ ? "another guest writes to it" : "another guest uses it; append ,ro or ,snapshot on both sides to share it");
    if (error)
        refuse(ExitCode::DiskUnfit, path, std::string{"cannot be locked: "} + std::strerror(error));
}

int DiskFile::discard(std::uint64_t offset, std::uint64_t bytes) const
{
    if (fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(start_ + offset), static_cast<off_t>(bytes)) == 0)
        return 0;
    return is_unsupported(errno) ? 0 : errno;
}

int DiskFile::write_zeroes(std::uint64_t offset, std::uint64_t bytes, bool may_unmap) const
{
    offset += start_;
    auto start = static_cast<off_t>(offset);
    auto length = static_cast<off_t>(bytes);
    for (int mode : {may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE}) {
        if (fallocate(fd(), mode | FALLOC_FL_KEEP_SIZE, start, length) == 0)
            return 0;
        if (!is_unsupported(errno))
            return errno;
    }
    static constexpr std::array<char, 64 << 10> zeroes{};
    while (bytes) {
        ssize_t written = pwrite(fd(), zeroes.data(), std::min<std::uint64_t>(bytes, zeroes.size()), static_cast<off_t>(offset));
        if (written <= 0)
            return written < 0 ? errno : EIO;
        offset += static_cast<std::uint64_t>(written);
        bytes -= static_cast<std::uint64_t>(written);
    }
    return 0;
}

} // namespace colinux
