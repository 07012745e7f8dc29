// SPDX-License-Identifier: GPL-2.0
// FolderServer, what changes the folder. All of it is refused where that is only shown.
#include "cli/folder_server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace colinux {

namespace {

enum Attribute : std::uint32_t { kMode = 1, kUser = 2, kGroup = 4, kSize = 8, kAccessed = 0x10, kModified = 0x20, kAccessedSet = 0x80, kModifiedSet = 0x100 };

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

void need(int result)
{
    if (result < 0)
        ninep_error(errno);
}

timespec time_of(std::uint32_t valid, std::uint32_t now, std::uint32_t given, std::uint64_t seconds, std::uint64_t nanoseconds)
{
    if (!(valid & now))
        return {0, UTIME_OMIT};
    if (!(valid & given))
        return {0, UTIME_NOW};
    return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
}

} // namespace

bool FolderServer::change(NinepType type, Request& request, Answer& answer)
{
    switch (type) {
    case NinepType::Create: case NinepType::Symlink: case NinepType::Mknod: case NinepType::Setattr: case NinepType::Fsync: case NinepType::Link:
    case NinepType::Mkdir: case NinepType::Renameat: case NinepType::Unlinkat: case NinepType::Write:
        if (!writable_)
            ninep_error(EROFS);
        break;
    default: return false;
    }
    switch (type) {
    case NinepType::Create: create(request, answer); break;
    case NinepType::Symlink: make_link(request, answer); break;
    case NinepType::Mknod: make_node(request, answer); break;
    case NinepType::Setattr: set_attributes(request); break;
    case NinepType::Fsync: need(fsync(open_file(request.u32()))); break;
    case NinepType::Mkdir: make_folder(request, answer); break;
    case NinepType::Write: write_bytes(request, answer); break;
    case NinepType::Link: {
        int folder = fid(request.u32()).place.get(), file = fid(request.u32()).place.get();
        std::string name = request.text();
        need(linkat(file, "", folder, checked_name(name).c_str(), AT_EMPTY_PATH));
        break;
    }
    case NinepType::Renameat: {
        int from = fid(request.u32()).place.get();
        std::string old_name = request.text();
        int to = fid(request.u32()).place.get();
        std::string new_name = request.text();
        need(renameat(from, checked_name(old_name).c_str(), to, checked_name(new_name).c_str()));
        break;
    }
    case NinepType::Unlinkat: {
        int folder = fid(request.u32()).place.get();
        std::string name = request.text();
        need(unlinkat(folder, checked_name(name).c_str(), static_cast<int>(request.u32()) & AT_REMOVEDIR));
        break;
    }
    default: break;
    }
    return true;
}

// A new thing is its maker's, as if the guest had made it here.
void FolderServer::give(Fid& folder, const std::string& name, std::uint32_t group, Answer& answer)
{
    struct stat status;
    if (geteuid() == 0)
        need(fchownat(folder.place.get(), name.c_str(), folder.user, group, AT_SYMLINK_NOFOLLOW));
    need(fstatat(folder.place.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW));
    put_qid(answer, status);
}

void FolderServer::create(Request& request, Answer& answer)
{
    Fid& folder = fid(request.u32());
    std::string name = request.text();
    int flags = static_cast<int>(request.u32()) & (O_ACCMODE | O_TRUNC | O_EXCL);
    mode_t mode = request.u32() & 07777;
    std::uint32_t group = request.u32();
    if (folder.open)
        ninep_error(EBADF);
    struct stat before;
    bool is_new = fstatat(folder.place.get(), checked_name(name).c_str(), &before, AT_SYMLINK_NOFOLLOW) != 0;
    if (!is_new && !S_ISREG(before.st_mode))
        ninep_error(EEXIST);
    UniqueFd file{openat(folder.place.get(), name.c_str(), flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode)};
    need(file.get());
    UniqueFd place{openat(folder.place.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    need(place.get());
    if (is_new && geteuid() == 0) {
        need(fchown(file.get(), folder.user, group));
        need(fchmod(file.get(), mode)); // without our umask; and the change of owner takes set-id bits
    }
    put_qid_of(answer, file.get());
    answer.u32(0);
    folder.place = std::move(place); // from here on the fid is the file
    folder.open = std::move(file);
}

void FolderServer::make_folder(Request& request, Answer& answer)
{
    Fid& folder = fid(request.u32());
    std::string name = request.text();
    mode_t mode = request.u32() & 07777;
    std::uint32_t group = request.u32();
    need(mkdirat(folder.place.get(), checked_name(name).c_str(), mode));
    give(folder, name, group, answer);
}

void FolderServer::make_link(Request& request, Answer& answer)
{
    Fid& folder = fid(request.u32());
    std::string name = request.text(), target = request.text();
    std::uint32_t group = request.u32();
    need(symlinkat(target.c_str(), folder.place.get(), checked_name(name).c_str()));
    give(folder, name, group, answer);
}

void FolderServer::make_node(Request& request, Answer& answer)
{
    Fid& folder = fid(request.u32());
    std::string name = request.text();
    mode_t mode = request.u32();
    request.u64(); // major and minor
    std::uint32_t group = request.u32();
    if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
        ninep_error(EPERM); // a device of the guest's is none of this host's
    need(mknodat(folder.place.get(), checked_name(name).c_str(), mode, 0));
    give(folder, name, group, answer);
}

void FolderServer::set_attributes(Request& request)
{
    Fid& file = fid(request.u32());
    std::uint32_t valid = request.u32(), mode = request.u32(), user = request.u32(), group = request.u32();
    std::uint64_t size = request.u64(), accessed = request.u64(), accessed_rest = request.u64(), modified = request.u64(), modified_rest = request.u64();
    int place = file.place.get();
    struct stat status;
    need(fstatat(place, "", &status, AT_EMPTY_PATH));
    if (valid & (kUser | kGroup))
        need(fchownat(place, "", valid & kUser ? user : ~0u, valid & kGroup ? group : ~0u, AT_EMPTY_PATH));
    if (valid & kMode && !S_ISLNK(status.st_mode))
        need(chmod(path_of(place).c_str(), mode & 07777)); // by way of the descriptor: the path is the thing itself
    if (valid & kSize) {
        if (!S_ISREG(status.st_mode))
            ninep_error(EINVAL);
        need(truncate(path_of(place).c_str(), static_cast<off_t>(size)));
    }
    timespec times[2] = {time_of(valid, kAccessed, kAccessedSet, accessed, accessed_rest), time_of(valid, kModified, kModifiedSet, modified, modified_rest)};
    if (valid & (kAccessed | kModified))
        need(utimensat(place, "", times, AT_EMPTY_PATH));
}

void FolderServer::write_bytes(Request& request, Answer& answer)
{
    int file = open_file(request.u32());
    auto offset = static_cast<off_t>(request.u64());
    std::string_view bytes = request.take(request.u32());
    ssize_t count = pwrite(file, bytes.data(), bytes.size(), offset);
    if (count < 0)
        ninep_error(errno);
    answer.u32(static_cast<std::uint32_t>(count));
}

} // namespace colinux
