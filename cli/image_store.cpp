// SPDX-License-Identifier: GPL-2.0
#include "cli/image_store.hpp"

#include "cli/folder_lock.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = ".raw", kScratch = ".making-";

[[noreturn]] void refuse(const std::string& what, int error)
{
    if (error == EACCES || error == EPERM)
        throw Failure{ExitCode::NotRoot, what + ": may be changed by root only: run this as root"};
    throw Failure{ExitCode::NotSaved, what + ": " + strerror(error) + (error == ENOSPC ? "; make room, or choose another COLINUX_STATE_DIR" : "")};
}

void sync_file(const std::string& path)
{
    UniqueFd fd{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd || fsync(fd.get()) != 0)
        refuse(path, errno);
}

} // namespace

ImageStore::ImageStore()
{
    const char* state = getenv("COLINUX_STATE_DIR");
    folder_ = std::string{state && *state ? state : "/var/lib/colinux"} + "/images";
}

std::vector<std::string> ImageStore::names() const
{
    std::vector<std::string> names;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator{folder_, error}) {
        std::string file = entry.path().filename();
        if (file.ends_with(kSuffix) && !file.starts_with('.') && entry.is_regular_file(error))
            names.push_back(file.substr(0, file.size() - kSuffix.size()));
    }
    if (error == std::errc::permission_denied)
        refuse(folder_, EACCES);
    std::ranges::sort(names);
    return names;
}

bool ImageStore::contains(const std::string& name) const
{
    struct stat status;
    return stat(path(name).c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string ImageStore::find(const std::string& name_or_file) const
{
    if (name_or_file.find('/') != std::string::npos)
        return fs::absolute(name_or_file);
    check_name(name_or_file);
    if (contains(name_or_file))
        return path(name_or_file);
    std::string list;
    for (const std::string& other : names())
        list += (list.empty() ? "" : ", ") + other;
    std::error_code error;
    bool is_file = fs::exists(name_or_file, error);
    throw Failure{ExitCode::ImageUnknown, "no image named '" + name_or_file + "' is in " + folder_ + " (" +
                                              (list.empty() ? "none is; bring one in with: colinux image import" : "there are: " + list) + ")" +
                                              (is_file ? "; if the file is meant: ./" + name_or_file : "")};
}

std::string ImageStore::place_for(const std::string& name) const
{
    check_name(name);
    struct stat status;
    if (lstat(path(name).c_str(), &status) == 0)
        throw Failure{ExitCode::ImageTaken, "an image named '" + name + "' is there already: choose another name, or: colinux image rm " + name};
    return path(name);
}

UniqueFd ImageStore::lock() const
try {
    UniqueFd fd = lock_folder(folder_, [] { std::cerr << "colinux: waiting for another colinux that makes or changes an image\n"; });
    if (access(folder_.c_str(), W_OK) != 0)
        refuse(folder_, errno);
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator{folder_, error})
        if (std::string{entry.path().filename()}.starts_with(kScratch)) // of one that was killed
            fs::remove_all(entry.path(), error);
    return fd;
} catch (const std::system_error& error) {
    refuse(folder_, error.code().value());
}

ScratchFolder::ScratchFolder(const std::string& parent) : path_{parent + "/" + std::string{kScratch} + "XXXXXX"}
{
    if (!mkdtemp(path_.data()))
        refuse(path_, errno);
}

ScratchFolder::~ScratchFolder()
{
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void give_name(const std::string& unfinished, const std::string& path)
{
    sync_file(unfinished);
    std::error_code error;
    fs::remove_all(path + ".boot", error); // an image's that is gone
    if (fs::exists(unfinished + ".boot"))
        fs::rename(unfinished + ".boot", path + ".boot", error);
    if (error)
        refuse(path + ".boot", error.value());
    if (renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0 && (errno != EINVAL || rename(unfinished.c_str(), path.c_str()) != 0))
        refuse(path, errno);
    sync_file(fs::path{path}.parent_path());
}

} // namespace colinux
