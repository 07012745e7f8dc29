// SPDX-License-Identifier: GPL-2.0
// DiskFile: opening, and what the file system or block layer can do about unused blocks.
#include "vmm/devices/disk_file.hpp"

#include "vmm/failure.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace colinux {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr int kLockAttempts = 25;
constexpr unsigned kLockPauseMicroseconds = 20'000;

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
        refuse(ExitCode::DiskReadOnly, path, "cannot be written; append ,ro to use it read-only");
    case EBUSY:
    case ETXTBSY:
        refuse(ExitCode::DiskBusy, path, "is in use (mounted?); unmount it or append ,ro");
    default:
        refuse(ExitCode::DiskUnfit, path, std::string{"cannot be opened: "} + std::strerror(error));
    }
}

bool is_unsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == ENODEV; }

} // namespace

DiskFile DiskFile::open(const std::string& path, bool read_only)
{
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

    // O_EXCL without O_CREAT: fails with EBUSY on a block device that the host has mounted.
    int flags = read_only ? O_RDONLY : O_RDWR | (block_device ? O_EXCL : 0);
    UniqueFd fd{::open(path.c_str(), flags | O_CLOEXEC)};
    if (!fd)
        refuse_open(path, errno);
    DiskFile disk{std::move(fd), read_only};
    disk.measure(path);
    disk.lock(path);
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
    if (bytes_ % kSector)
        refuse(ExitCode::DiskUnfit, path, "its size of " + std::to_string(bytes_) + " bytes is not a multiple of 512");
}

void DiskFile::lock(const std::string& path) const
{
    struct flock whole{};
    whole.l_type = read_only_ ? F_RDLCK : F_WRLCK;
    whole.l_whence = SEEK_SET;
    // The kernel tears an io_uring down after its process has gone, and only then drops the lock: wait
    // for a guest that has just ended.
    for (int attempt = 0; attempt < kLockAttempts; attempt++) {
        if (fcntl(fd(), F_OFD_SETLK, &whole) == 0)
            return;
        if (errno != EAGAIN && errno != EACCES)
            break;
        usleep(kLockPauseMicroseconds);
    }
    if (errno == EAGAIN || errno == EACCES)
        refuse(ExitCode::DiskBusy, path,
               read_only_ ? "another guest writes to it" : "another guest uses it; append ,ro on both sides to share it");
    refuse(ExitCode::DiskUnfit, path, std::string{"cannot be locked: "} + std::strerror(errno));
}

int DiskFile::discard(std::uint64_t offset, std::uint64_t bytes) const
{
    if (fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0)
        return 0;
    return is_unsupported(errno) ? 0 : errno;
}

int DiskFile::write_zeroes(std::uint64_t offset, std::uint64_t bytes, bool may_unmap) const
{
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
