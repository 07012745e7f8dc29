// SPDX-License-Identifier: GPL-2.0
// The graft store: where grafts lie, one per kernel ABI, as <directory>/<release>/graft.o, and the question
// that `colinux graft ls` and `check` answer: does one fit?
#pragma once

#include "vmm/loader/graft_object.hpp"

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

// Failure NoGraft, with the command that builds one.
GraftObject find_graft(const std::string& release);

struct KernelCheck {
    std::string release, banner;
    std::string graft_path;
    bool multi_cpu_ok; // false: one vCPU only
    std::uint64_t contiguous_bytes; // run that kernel and graft need, without initrd
};
// Does everything that a start does to a kernel, in memory of its own. Failure = it cannot be started, and why.
KernelCheck check_kernel(const std::string& path);

} // namespace colinux
