// SPDX-License-Identifier: GPL-2.0
#include "control/graft_store.hpp"

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
    std::error_code ignored;
    std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    if (!program.empty())
        directories.push_back(program.parent_path().parent_path().parent_path() / "grafts"); // build/PRESET/cli/colinux
    directories.emplace_back("/usr/lib/colinux/grafts");
    directories.emplace_back("/var/cache/colinux/grafts");
    return directories;
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
