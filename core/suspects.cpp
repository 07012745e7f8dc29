// SPDX-License-Identifier: GPL-2.0
#include "core/suspects.hpp"

#include <colinux/host_os.h>

#include <atomic>

namespace colinux {

namespace {

constinit std::atomic<unsigned> in_guests{0};

} // namespace

bool Suspects::enter(unsigned others)
{
    unsigned cpus = co_os_online_cpus();
    unsigned most = cpus > 1 ? cpus - 1 : 1;
    unsigned before = in_guests.load();
    while (before + others < most) {
        if (in_guests.compare_exchange_weak(before, before + 1))
            return true;
    }
    return false;
}

void Suspects::leave() { in_guests.fetch_sub(1); }

} // namespace colinux
