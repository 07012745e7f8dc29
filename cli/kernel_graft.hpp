// SPDX-License-Identifier: GPL-2.0
// The graft of a kernel that was built here: made from its tree when it is first run, and kept in a folder that is found by the content of what
// it depends on.
#pragma once

#include "cli/kernel_source.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace colinux {

class StopSignals;

// Of the kernel's configuration, exported symbols, image (its build ID) and of the graft's own sources in `sources`.
std::string graft_key(const KernelSource& source, const std::filesystem::path& sources);

// The folder with RELEASE/graft.o, for COLINUX_GRAFTS. `tell` hears that it takes a while. Failure: BuildFailed (the compiler's last words are on standard
// error), NoGraft (the folder is not ours alone), GuestKilled by a signal of `stop`; nothing half made is left.
std::filesystem::path graft_of_tree(const KernelSource& source, StopSignals& stop, const std::function<void(const std::string&)>& tell);

} // namespace colinux
