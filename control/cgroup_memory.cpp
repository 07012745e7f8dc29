// SPDX-License-Identifier: GPL-2.0
#include "control/cgroup_memory.hpp"

#include <algorithm>
#include <fstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

std::optional<std::uint64_t> number_in(const fs::path& file) // "max" is none
{
    std::uint64_t value;
    std::ifstream stream{file};
    return stream >> value ? std::optional{value} : std::nullopt;
}

std::uint64_t page_cache(const fs::path& file) // of memory.stat: what the kernel drops where memory is wanted
{
    std::uint64_t sum = 0, value;
    std::ifstream stream{file};
    for (std::string name; stream >> name >> value;) {
        if (name == "inactive_file" || name == "active_file")
            sum += value;
    }
    return sum;
}

fs::path own_group(const fs::path& file) // a line "0::/user.slice/..."; docs: cgroups(7)
{
    std::ifstream stream{file};
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with("0::/"))
            return line.substr(4);
    }
    return {};
}

} // namespace

std::optional<CgroupMemory> least_cgroup_memory(const fs::path& root, const fs::path& own)
{
    std::optional<CgroupMemory> least;
    for (fs::path group = own_group(own); !group.empty(); group = group.parent_path()) {
        auto limit = number_in(root / group / "memory.max"), used = number_in(root / group / "memory.current");
        if (!limit || !used)
            continue;
        *used -= std::min(*used, page_cache(root / group / "memory.stat"));
        std::uint64_t left = *limit - std::min(*limit, *used);
        if (!least || left < least->left)
            least = {"/" + group.string(), *limit, left};
    }
    return least;
}

} // namespace colinux
