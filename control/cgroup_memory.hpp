// SPDX-License-Identifier: GPL-2.0
// What the control groups of this process (version 2) let it have of the host's memory: a guest's RAM counts there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace colinux {

struct CgroupMemory {
    std::string group;         // "/user.slice/..."
    std::uint64_t limit, left; // of it; bytes
};

// Of the group and those around it the one that has least left. Nothing: none has a limit.
std::optional<CgroupMemory> least_cgroup_memory(const std::filesystem::path& root = "/sys/fs/cgroup",
                                                const std::filesystem::path& own = "/proc/self/cgroup");

} // namespace colinux
