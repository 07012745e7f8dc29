// SPDX-License-Identifier: GPL-2.0
#include "control/graft_store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace colinux {

std::vector<std::filesystem::path> graft_directories()
{
    std::vector<std::filesystem::path> directories;
    if (const char* given = std::getenv("COLINUX_GRAFTS")) {
        std::istringstream list{given};
        for (std::string directory; std::getline(list, directory, ':');)
            if (!directory.empty())
                directories.emplace_back(directory);
    }
    directories.emplace_back("/usr/lib/colinux/grafts");
    directories.emplace_back("/var/cache/colinux/grafts");
    return directories;
}

std::string who_else_could_write(const std::filesystem::path& file)
{
    std::error_code error;
    std::filesystem::path whole = std::filesystem::canonical(file, error);
    for (std::filesystem::path place = whole; !place.empty(); place = place.parent_path()) {
        struct stat status;
        bool last = place == place.root_path();
        if (lstat(place.c_str(), &status) != 0)
            return place;
        // In a sticky folder nobody replaces what is root's
        bool shared = status.st_mode & (S_IWGRP | S_IWOTH) && !(S_ISDIR(status.st_mode) && status.st_mode & S_ISVTX);
        if ((status.st_uid != 0 && status.st_uid != geteuid()) || shared)
            return place;
        if (last)
            return "";
    }
    return file;
}

std::vector<GraftEntry> list_grafts()
{
    std::vector<GraftEntry> grafts;
    for (const auto& directory : graft_directories()) {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator{directory, ignored}) {
            std::string release = entry.path().filename();
            bool known = std::ranges::any_of(grafts, [&](const GraftEntry& graft) { return graft.release == release; });
            if (!known && std::filesystem::is_regular_file(entry.path() / "graft.o", ignored))
                grafts.push_back({release, entry.path() / "graft.o"});
        }
    }
    std::ranges::sort(grafts, {}, &GraftEntry::release);
    return grafts;
}

} // namespace colinux
