// SPDX-License-Identifier: GPL-2.0
#include "cli/folder_server.hpp"

#include "control/failure.hpp"

#include <colinux/kernel_run.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace colinux {

namespace {

constexpr std::uint32_t kSmallestMessage = 4096;
constexpr std::uint32_t kNoFid = ~0u;
constexpr std::uint16_t kMaximumWalk = 16; // names; the protocol's
constexpr std::uint64_t kBasicAttributes = 0x7ff;
constexpr std::uint8_t kUnlocked = 2; // P9_LOCK_TYPE_UNLCK

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// All of it, or false.
bool send_all(int stream, std::string_view bytes)
{
    while (!bytes.empty()) {
        ssize_t count = send(stream, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

bool receive_all(int stream, char* bytes, std::size_t count)
{
    while (count > 0) {
        ssize_t got = recv(stream, bytes, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes += got;
        count -= static_cast<std::size_t>(got);
    }
    return true;
}

std::string refusal(std::uint16_t tag, int error)
{
    return NinepWriter{static_cast<std::uint8_t>(NinepType::Error) + 1, tag}.u32(static_cast<std::uint32_t>(error)).finish();
}

std::uint8_t qid_type(mode_t mode) { return S_ISDIR(mode) ? 0x80 : S_ISLNK(mode) ? 0x02 : 0; }

} // namespace

void ninep_error(int error) { throw std::system_error{error, std::system_category()}; }

const std::string& checked_name(const std::string& name)
{
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
        ninep_error(EINVAL);
    return name;
}

FolderServer::FolderServer(const std::string& folder, bool writable)
    : root_{open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)}, writable_{writable}, message_bytes_{kSmallestMessage}
{
    struct stat status;
    if (!root_ || fstat(root_.get(), &status) != 0)
        throw Failure{ExitCode::Usage, "folder " + folder + ": " + strerror(errno)};
    device_ = status.st_dev;
}

void FolderServer::serve(int stream) noexcept
try {
    std::string request;
    for (std::uint32_t bytes; receive_all(stream, reinterpret_cast<char*>(&bytes), sizeof bytes);) {
        if (bytes < kNinepHeader || bytes > std::max<std::uint32_t>(message_bytes_, kSmallestMessage))
            break;
        request.resize(bytes - sizeof bytes);
        if (!receive_all(stream, request.data(), request.size()) || !send_all(stream, answer(request)))
            break;
    }
    shutdown(stream, SHUT_RDWR);
} catch (const std::exception&) { // a damaged message, no memory
    shutdown(stream, SHUT_RDWR);
}

std::string FolderServer::answer(std::string_view bytes)
{
    NinepReader request{bytes};
    std::uint8_t type = request.u8();
    std::uint16_t tag = request.u16();
    try {
        NinepWriter answer{static_cast<std::uint8_t>(type + 1), tag};
        handle(static_cast<NinepType>(type), request, answer);
        return answer.finish();
    } catch (const std::system_error& error) {
        return refusal(tag, error.code().value());
    }
}

void FolderServer::handle(NinepType type, Request& request, Answer& answer)
{
    if (!look(type, request, answer) && !change(type, request, answer))
        ninep_error(EOPNOTSUPP);
}

bool FolderServer::look(NinepType type, Request& request, Answer& answer)
{
    switch (type) {
    case NinepType::Version: start(request, answer); break;
    case NinepType::Attach: attach(request, answer); break;
    case NinepType::Walk: walk(request, answer); break;
    case NinepType::Open: open_fid(request, answer); break;
    case NinepType::Getattr: get_attributes(request, answer); break;
    case NinepType::Read: read_bytes(request, answer); break;
    case NinepType::Readdir: read_folder(request, answer); break;
    case NinepType::Readlink: read_link(request, answer); break;
    case NinepType::Statfs: file_system(request, answer); break;
    case NinepType::Lock: answer.u8(0); break; // locks hold among the guest's programs, which its kernel sees to
    case NinepType::Getlock: test_lock(request, answer); break;
    case NinepType::Flush: break; // what it wants to cancel is answered already
    case NinepType::Clunk:
        if (fids_.erase(request.u32()) == 0)
            ninep_error(EBADF);
        break;
    default: return false;
    }
    return true;
}

FolderServer::Fid& FolderServer::fid(std::uint32_t number)
{
    auto found = fids_.find(number);
    if (found == fids_.end())
        ninep_error(EBADF);
    return found->second;
}

int FolderServer::open_file(std::uint32_t number)
{
    Fid& file = fid(number);
    if (!file.open)
        ninep_error(EBADF);
    return file.open.get();
}

// Inodes of other file systems that are mounted in the folder must not look like ones of its own.
std::uint64_t FolderServer::id_of(dev_t device, ino_t inode) const
{
    return device == device_ ? inode : inode ^ static_cast<std::uint64_t>(device) * 0x9e3779b97f4a7c15;
}

void FolderServer::put_qid(Answer& answer, const struct stat& status) const
{
    answer.u8(qid_type(status.st_mode)).u32(static_cast<std::uint32_t>(status.st_mtim.tv_nsec ^ status.st_mtim.tv_sec)).u64(id_of(status.st_dev, status.st_ino));
}

void FolderServer::put_qid_of(Answer& answer, int place) const
{
    struct stat status;
    if (fstatat(place, "", &status, AT_EMPTY_PATH) != 0)
        ninep_error(errno);
    put_qid(answer, status);
}

void FolderServer::start(Request& request, Answer& answer)
{
    std::uint32_t wanted = request.u32();
    std::string version = request.text();
    fids_.clear();
    message_bytes_ = std::clamp<std::uint32_t>(wanted, kSmallestMessage, CO_KERNEL_RUN_MESSAGE_BYTES);
    answer.u32(message_bytes_).text(version == "9P2000.L" ? version : "unknown");
}

void FolderServer::attach(Request& request, Answer& answer)
{
    std::uint32_t number = request.u32();
    request.u32(); // of an authentication, which there is none
    request.text();
    request.text();
    std::uint32_t user = request.u32();
    if (fids_.contains(number))
        ninep_error(EBADF);
    UniqueFd place{fcntl(root_.get(), F_DUPFD_CLOEXEC, 0)};
    if (!place)
        ninep_error(errno);
    put_qid_of(answer, place.get());
    fids_[number] = {std::move(place), {}, 0, user == ~0u ? 0 : user};
}

void FolderServer::walk(Request& request, Answer& answer)
{
    Fid& from = fid(request.u32());
    std::uint32_t target = request.u32();
    std::uint16_t names = request.u16();
    if (names > kMaximumWalk)
        ninep_error(EINVAL);
    UniqueFd place{fcntl(from.place.get(), F_DUPFD_CLOEXEC, 0)};
    if (!place)
        ninep_error(errno);
    NinepWriter found{0, 0};
    std::uint16_t done = 0;
    for (; done < names; done++) {
        std::string name = request.text();
        UniqueFd next{openat(place.get(), checked_name(name).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
        if (!next && done == 0)
            ninep_error(errno);
        if (!next)
            break;
        place = std::move(next);
        put_qid_of(found, place.get());
    }
    answer.u16(done).bytes() += found.bytes().substr(kNinepHeader);
    if (done < names)
        return; // how far it got; `target` is none
    std::uint32_t user = from.user;
    if (target == kNoFid || (&from != (fids_.contains(target) ? &fids_[target] : nullptr) && fids_.contains(target)))
        ninep_error(EBADF);
    fids_[target] = {std::move(place), {}, 0, user};
}

void FolderServer::open_fid(Request& request, Answer& answer)
{
    Fid& file = fid(request.u32());
    int flags = static_cast<int>(request.u32()) & (O_ACCMODE | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC); // Linux' own numbers, on x86
    struct stat status;
    if (file.open || fstatat(file.place.get(), "", &status, AT_EMPTY_PATH) != 0)
        ninep_error(EBADF);
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        ninep_error(EACCES); // the guest has devices, sockets and pipes of its own
    if (!writable_ && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
        ninep_error(EROFS);
    std::string path = path_of(file.place.get());
    file.open = UniqueFd{::open(path.c_str(), (flags & ~O_APPEND) | O_CLOEXEC | O_NONBLOCK | (writable_ ? 0 : O_NOATIME))}; // appending is the client's business
    if (!file.open && errno == EPERM && !writable_)
        file.open = UniqueFd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file.open)
        ninep_error(errno);
    put_qid(answer, status);
    answer.u32(0);
}

void FolderServer::get_attributes(Request& request, Answer& answer)
{
    Fid& file = fid(request.u32());
    struct stat status;
    if (fstatat(file.place.get(), "", &status, AT_EMPTY_PATH) != 0)
        ninep_error(errno);
    answer.u64(kBasicAttributes);
    put_qid(answer, status);
    answer.u32(status.st_mode).u32(status.st_uid).u32(status.st_gid).u64(status.st_nlink).u64(status.st_rdev).u64(static_cast<std::uint64_t>(status.st_size));
    answer.u64(static_cast<std::uint64_t>(status.st_blksize)).u64(static_cast<std::uint64_t>(status.st_blocks));
    for (const timespec& time : {status.st_atim, status.st_mtim, status.st_ctim, timespec{}})
        answer.u64(static_cast<std::uint64_t>(time.tv_sec)).u64(static_cast<std::uint64_t>(time.tv_nsec));
    answer.u64(0).u64(0); // generation, version of the data: not known
}

void FolderServer::read_bytes(Request& request, Answer& answer)
{
    int file = open_file(request.u32());
    auto offset = static_cast<off_t>(request.u64());
    std::size_t wanted = std::min<std::size_t>(request.u32(), message_bytes_ - kNinepReadHeader);
    std::string& bytes = answer.u32(0).bytes();
    bytes.resize(kNinepReadHeader + wanted);
    ssize_t count = pread(file, bytes.data() + kNinepReadHeader, wanted, offset);
    if (count < 0)
        ninep_error(errno);
    bytes.resize(kNinepReadHeader + static_cast<std::size_t>(count));
    auto number = static_cast<std::uint32_t>(count);
    std::memcpy(bytes.data() + kNinepHeader, &number, sizeof number);
}

void FolderServer::read_folder(Request& request, Answer& answer)
{
    std::uint32_t number = request.u32();
    int folder = open_file(number);
    std::uint64_t offset = request.u64();
    std::size_t room = std::min<std::size_t>(request.u32(), message_bytes_ - kNinepReadHeader);
    if (offset != fid(number).position && lseek(folder, static_cast<off_t>(offset), SEEK_SET) < 0)
        ninep_error(errno);
    NinepWriter list{0, 0};
    alignas(dirent64) char entries[16384];
    std::uint64_t next = offset;
    for (bool full = false; !full;) {
        ssize_t count = syscall(SYS_getdents64, folder, entries, sizeof entries);
        if (count < 0)
            ninep_error(errno);
        if (count == 0)
            break;
        for (ssize_t at = 0; at < count && !full;) {
            const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
            std::string_view name{entry->d_name};
            full = list.size() - kNinepHeader + 24 + name.size() > room;
            if (full)
                break;
            list.u8(entry->d_type == DT_DIR ? 0x80 : entry->d_type == DT_LNK ? 0x02 : 0).u32(0).u64(id_of(device_, entry->d_ino));
            next = static_cast<std::uint64_t>(entry->d_off);
            list.u64(next).u8(entry->d_type).text(name);
            at += entry->d_reclen;
        }
    }
    lseek(folder, static_cast<off_t>(next), SEEK_SET); // it has read on
    fid(number).position = next;
    answer.u32(static_cast<std::uint32_t>(list.size() - kNinepHeader)).bytes() += list.bytes().substr(kNinepHeader);
}

void FolderServer::read_link(Request& request, Answer& answer)
{
    char target[4096];
    ssize_t count = readlinkat(fid(request.u32()).place.get(), "", target, sizeof target);
    if (count < 0)
        ninep_error(errno);
    answer.text({target, static_cast<std::size_t>(count)});
}

void FolderServer::file_system(Request& request, Answer& answer)
{
    struct statfs status;
    if (fstatfs(fid(request.u32()).place.get(), &status) != 0)
        ninep_error(errno);
    constexpr std::uint32_t kV9fsMagic = 0x01021997;
    answer.u32(kV9fsMagic).u32(static_cast<std::uint32_t>(status.f_bsize)).u64(status.f_blocks).u64(status.f_bfree).u64(status.f_bavail);
    answer.u64(status.f_files).u64(status.f_ffree).u64(0).u32(static_cast<std::uint32_t>(status.f_namelen));
}

void FolderServer::test_lock(Request& request, Answer& answer)
{
    request.u32();
    request.u8();
    std::uint64_t begin = request.u64(), length = request.u64();
    std::uint32_t process = request.u32();
    answer.u8(kUnlocked).u64(begin).u64(length).u32(process).text(request.text());
}

} // namespace colinux
