// SPDX-License-Identifier: GPL-2.0
// The graft store: where grafts lie, one per kernel ABI, as <directory>/<release>/graft.o.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace colinux {

// In the order in which they are searched: those of $COLINUX_GRAFTS (separated by colons); build/grafts of the
// build tree that this program lies in; /usr/lib/colinux/grafts (packaged); /var/cache/colinux/grafts (built here).
std::vector<std::filesystem::path> graft_directories();

struct GraftEntry {
    std::string release;
    std::filesystem::path path; // of graft.o
};
// All that there are, sorted by release; of two for one release the one that find_graft() takes.
std::vector<GraftEntry> list_grafts();

} // namespace colinux
