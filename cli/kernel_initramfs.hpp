// SPDX-License-Identifier: GPL-2.0
// KernelInitramfs: what a guest of `colinux kernel run` starts with (include/colinux/kernel_run.h): its init, its agent, the modules that it
// needs, and a list of the host's folders. A file without a name, which goes with this process at the latest.
#pragma once

#include "cli/kernel_source.hpp"
#include "control/unique_fd.hpp"

#include <string>
#include <vector>

namespace colinux {

struct SharedFolder {
    std::string host; // this one
    std::string guest; // is there
    bool writable{};
};

class KernelInitramfs {
public:
    // Failure: NotCopied (no memory), Usage (a folder whose name has a line's end).
    KernelInitramfs(const std::string& init, const std::string& agent, const std::vector<KernelModule>& modules, const std::vector<SharedFolder>& folders);
    std::string path() const; // by which other processes open it

private:
    UniqueFd file_;
};

} // namespace colinux
