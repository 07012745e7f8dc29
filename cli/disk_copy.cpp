// SPDX-License-Identifier: GPL-2.0
#include "cli/disk_copy.hpp"

#include "cli/stop_signals.hpp"
#include "control/disk_file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace colinux {

namespace {

constexpr off_t kPiece = 1 << 20;

[[noreturn]] void refuse(const std::string& to, int error)
{
    if (error == EEXIST)
        throw Failure{ExitCode::NameTaken, to + " is there already"};
    throw Failure{ExitCode::NotSaved, to + ": " + strerror(error) + (error == ENOSPC ? "; make room, or choose another COLINUX_STATE_DIR" : "")};
}

class NewFile {
public:
    explicit NewFile(const std::string& path) : path_{path}, fd_{open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)}
    {
        if (!fd_)
            refuse(path, errno);
    }
    ~NewFile()
    {
        if (!whole_)
            unlink(path_.c_str());
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    int fd() const { return fd_.get(); }
    void is_whole() { whole_ = true; }

private:
    std::string path_;
    UniqueFd fd_;
    bool whole_{};
};

void copy_range(int from, const NewFile& to, const std::string& path, off_t start, off_t begin, off_t end, StopSignals& stop)
{
    std::vector<char> bytes(static_cast<std::size_t>(kPiece));
    for (off_t at = begin; at < end;) {
        stop.check();
        ssize_t count = pread(from, bytes.data(), static_cast<std::size_t>(std::min(kPiece, end - at)), at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            throw Failure{ExitCode::DiskUnfit, "a disk cannot be read: " + std::string{count < 0 ? strerror(errno) : "it became shorter"}};
        for (ssize_t done = 0; done < count;) {
            ssize_t written = pwrite(to.fd(), bytes.data() + done, static_cast<std::size_t>(count - done), at - start + done);
            if (written < 0 && errno != EINTR)
                refuse(path, errno);
            done += std::max<ssize_t>(written, 0);
        }
        at += count;
    }
}

// `start`: of what is copied, in the file that it comes from
void copy_data(int from, const NewFile& to, const std::string& path, off_t start, off_t bytes, StopSignals& stop)
{
    if (ftruncate(to.fd(), bytes) != 0)
        refuse(path, errno);
    for (off_t at = start, end = start + bytes; at < end;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return; // holes up to the end
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (data < 0 || hole < 0) { // a file system that does not tell
            data = at;
            hole = end;
        }
        copy_range(from, to, path, start, data, std::min(hole, end), stop);
        at = hole;
    }
}

} // namespace

void copy_disk(const DiskConfig& disk, const std::string& to, StopSignals& stop)
{
    DiskConfig as_read = disk;
    as_read.read_only = true; // refused while somebody writes
    as_read.partition = 0;    // a copy has all of them
    DiskFile file = DiskFile::open(as_read);
    struct stat status{};
    if (fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode))
        throw Failure{ExitCode::DiskUnfit, "disk " + disk.path + " is no file: copy it yourself, and write a guest down with: colinux create"};
    NewFile copy{to};
    if (ioctl(copy.fd(), FICLONE, file.fd()) != 0)
        copy_data(file.fd(), copy, to, 0, status.st_size, stop);
    if (fsync(copy.fd()) != 0)
        refuse(to, errno);
    copy.is_whole();
}

void copy_disk_part(const DiskConfig& disk, const std::string& to, StopSignals& stop)
{
    DiskConfig as_read = disk;
    as_read.read_only = true;
    DiskFile file = DiskFile::open(as_read);
    NewFile copy{to};
    copy_data(file.fd(), copy, to, static_cast<off_t>(file.start()), static_cast<off_t>(file.bytes()), stop);
    copy.is_whole();
}

} // namespace colinux
