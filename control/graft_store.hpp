// SPDX-License-Identifier: GPL-2.0
// The graft store: where grafts lie, one per kernel ABI, as <directory>/<release>/graft.o.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace colinux {

// In the order in which they are searched: those of $COLINUX_GRAFTS (separated by colons); /usr/lib/colinux/grafts (packaged);
// /var/cache/colinux/grafts (built here). Never one that is found by where this program lies: whoever could move it could choose.
std::vector<std::filesystem::path> graft_directories();

// A graft runs in ring 0. The file or the first folder above it that somebody else than root (or who runs this, who then is nobody's root) owns or may write to; empty: none.
std::string who_else_could_write(const std::filesystem::path& file);

struct GraftEntry {
    std::string release;
    std::filesystem::path path; // of graft.o
};
// All that there are, sorted by release; of two for one release the one that find_graft() takes.
std::vector<GraftEntry> list_grafts();

} // namespace colinux
