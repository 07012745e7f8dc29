// SPDX-License-Identifier: GPL-2.0
// FolderRoot: by openat2(), which takes the folder for "/".
#include "cli/guest_root.hpp"

#include "control/failure.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace colinux {

namespace {

constexpr std::size_t kLargestText = 1 << 20;

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

} // namespace

FolderRoot::FolderRoot(const std::string& folder) : root_{open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)}, path_{folder}
{
    if (!root_)
        throw Failure{ExitCode::ImportUnfit, folder + ": " + strerror(errno)};
}

int FolderRoot::open_in(const std::string& path, int flags) const
{
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how));
}

bool FolderRoot::has(const std::string& path) const { return static_cast<bool>(UniqueFd{open_in(path, O_PATH)}); }

std::optional<std::string> FolderRoot::text(const std::string& path) const
{
    UniqueFd fd{open_in(path, O_RDONLY | O_NONBLOCK)};
    struct stat status{};
    if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kLargestText)
        return std::nullopt;
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, pread(fd.get(), text.data(), text.size(), 0))));
    return text;
}

std::vector<std::string> FolderRoot::names_in(const std::string& folder) const
{
    std::vector<std::string> names;
    int fd = open_in(folder, O_RDONLY | O_DIRECTORY);
    std::unique_ptr<DIR, int (*)(DIR*)> entries{fd < 0 ? nullptr : fdopendir(fd), closedir};
    while (dirent* entry = entries ? readdir(entries.get()) : nullptr)
        if (entry->d_name[0] != '.')
            names.emplace_back(entry->d_name);
    return names;
}

UniqueFd FolderRoot::folder_of(const std::string& path) const
{
    UniqueFd fd{open_in(parent_of(path), O_RDONLY | O_DIRECTORY)};
    if (!fd)
        throw Failure{ExitCode::NotSaved, path_ + parent_of(path) + ": " + strerror(errno)};
    return fd;
}

void FolderRoot::write(const std::string& path, const std::string& text)
{
    UniqueFd folder = folder_of(path);
    std::string name = name_of(path);
    struct stat before{};
    bool replaces = fstatat(folder.get(), name.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (replaces && unlinkat(folder.get(), name.c_str(), 0) != 0)
        throw Failure{ExitCode::NotSaved, path_ + path + ": " + strerror(errno)};
    UniqueFd fd{openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)};
    bool keeps = replaces && S_ISREG(before.st_mode);
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fchmod(fd.get(), keeps ? before.st_mode & 07777 : 0644) != 0 ||
        (keeps && geteuid() == 0 && fchown(fd.get(), before.st_uid, before.st_gid) != 0))
        throw Failure{ExitCode::NotSaved, path_ + path + ": " + strerror(errno)};
}

void FolderRoot::link(const std::string& path, const std::string& target)
{
    if (!has(parent_of(path))) {
        std::string folder = parent_of(path).substr(0, parent_of(path).size() - 1);
        UniqueFd above = folder_of(folder);
        if (mkdirat(above.get(), name_of(folder).c_str(), 0755) != 0)
            throw Failure{ExitCode::NotSaved, path_ + folder + ": " + strerror(errno)};
    }
    UniqueFd folder = folder_of(path);
    if (symlinkat(target.c_str(), folder.get(), name_of(path).c_str()) != 0 && errno != EEXIST)
        throw Failure{ExitCode::NotSaved, path_ + path + ": " + strerror(errno)};
}

} // namespace colinux
