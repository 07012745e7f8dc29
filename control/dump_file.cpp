// SPDX-License-Identifier: GPL-2.0
#include "control/dump_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace colinux {

namespace {

Failure failure_of(const std::string& path, const std::string& why) { return {ExitCode::DumpFailed, "dump " + path + ": " + why}; }

[[noreturn]] void fail(const std::string& path, const std::string& why) { throw failure_of(path, why); }

} // namespace

std::string DumpFile::folder(const std::string& path)
{
    std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

void DumpFile::check(const std::string& path)
{
    struct stat status;
    if (lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
        fail(path, "there is something of that name that is no file; give another");
    if (access(folder(path).c_str(), W_OK | X_OK) != 0)
        fail(path, "no file can be made in " + folder(path) + ": " + strerror(errno));
}

DumpFile::DumpFile(const std::string& path) : path_{path}, partial_{path + ".partial"}
{
    check(path);
    UniqueFd file{open(partial_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)};
    if (!file)
        fail(path, "cannot write " + partial_ + ": " + strerror(errno));
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        fail(path, "another dump is being written to it");
    struct stat status;
    // Somebody else's, or another name of a file: not ours to write over. Nor what others may read: the daemon may not change modes
    if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != geteuid() || status.st_mode & 077)
        fail(path, partial_ + " is in the way; remove it");
    if (ftruncate(file.get(), 0) != 0)
        fail(path, "cannot write " + partial_ + ": " + strerror(errno));
    file_ = std::move(file);
}

DumpFile::~DumpFile()
{
    if (file_)
        unlink(partial_.c_str());
}

Failure DumpFile::failure(const std::string& why) const { return failure_of(path_, why); }

void DumpFile::complete()
{
    if (rename(partial_.c_str(), path_.c_str()) != 0)
        fail(path_, strerror(errno));
    file_.reset();
}

} // namespace colinux
