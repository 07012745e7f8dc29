// SPDX-License-Identifier: GPL-2.0
#include "cli/folder_lock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <system_error>

namespace colinux {

UniqueFd lock_folder(const std::string& folder, const std::function<void()>& waiting)
{
    auto refuse = [] { throw std::system_error{errno, std::generic_category()}; };
    std::filesystem::create_directories(folder);
    UniqueFd fd{open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd)
        refuse();
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (waiting)
        waiting();
    while (flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR)
            refuse();
    return fd;
}

} // namespace colinux
