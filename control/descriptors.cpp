// SPDX-License-Identifier: GPL-2.0
#include "control/descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

namespace colinux {

namespace {

rlimit descriptor_limit()
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit;
}

} // namespace

void open_standard_descriptors()
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); // the lowest that is free
    while (fd >= 0 && fd < STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

void close_inherited_descriptors(std::span<const int> keep)
{
    std::vector<int> kept{STDERR_FILENO};
    std::ranges::copy_if(keep, std::back_inserter(kept), [](int fd) { return fd > STDERR_FILENO; });
    std::ranges::sort(kept);
    for (std::size_t i = 0; i < kept.size(); i++) {
        unsigned first = kept[i] + 1u, last = i + 1 < kept.size() ? kept[i + 1] - 1u : UINT_MAX;
        if (first <= last)
            close_range(first, last, 0);
    }
}

unsigned long raise_descriptor_limit()
{
    rlimit limit = descriptor_limit();
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

bool is_descriptor_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

// The kernel gives the lowest that is free: the last ones are taken when all others are.
bool descriptors_are_short(unsigned long reserve)
{
    int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0)
        return true;
    close(lowest);
    return lowest + reserve >= descriptor_limit().rlim_cur;
}

} // namespace colinux
