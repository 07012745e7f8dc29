// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/task.hpp"

#include <array>

namespace colinux {

namespace {

constexpr std::size_t kTaskNameBytes = 16;

} // namespace

std::optional<RunningTask> running_task(const GuestKernel& kernel, const GuestPages& pages, std::uint64_t per_cpu)
{
    auto place = kernel.address("pcpu_hot"); // its first member, since 6.2; a variable of its own before
    if (!place)
        place = kernel.address("current_task");
    auto name_at = kernel.offset("task_struct", "comm"), pid_at = kernel.offset("task_struct", "pid");
    auto task = place ? pages.at<std::uint64_t>(per_cpu + *place) : std::nullopt;
    if (!task || !name_at || !pid_at)
        return std::nullopt;
    auto name = pages.at<std::array<char, kTaskNameBytes>>(*task + *name_at);
    auto pid = pages.at<std::int32_t>(*task + *pid_at);
    if (!name || !pid)
        return std::nullopt;
    RunningTask running{*pid, {}};
    for (char c : *name) {
        if (c == '\0')
            break;
        running.name += c >= ' ' && c <= '~' ? c : '?';
    }
    return running;
}

} // namespace colinux
