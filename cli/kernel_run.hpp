// SPDX-License-Identifier: GPL-2.0
// `colinux kernel run`: a kernel of one's own with this host's files, for one command.
#pragma once

#include <string>
#include <vector>

namespace colinux {

struct KernelRunOptions {
    std::string what, kernel, tree, modules;
    std::string root{"/"}, directory, memory{"1G"}, append;
    unsigned cpus{1};
    std::vector<std::string> writable, environment, command; // no command: a shell on this terminal
    bool interactive{}, tty{};
};

// The command's exit code. Failure: what stood in its way, or how the guest ended before it did.
int run_kernel(const KernelRunOptions& options);

} // namespace colinux
