// SPDX-License-Identifier: GPL-2.0
// How a test waits for what another thread or process does: for the thing itself, never for a time. The clock is a
// net under a test that has failed already; it is far above what the busiest machine needs, and nothing is asserted
// about it.
#pragma once

#include <poll.h>

#include <chrono>
#include <thread>

namespace colinux {

inline constexpr std::chrono::milliseconds kPatience = std::chrono::seconds{60};

// Until `condition` holds. False: it never did.
template <typename Condition>
bool eventually(Condition condition)
{
    auto end = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

// Until `fd` has something to read, or has ended. False: neither.
inline bool becomes_readable(int fd)
{
    pollfd wanted{fd, POLLIN, 0};
    return poll(&wanted, 1, static_cast<int>(kPatience.count())) == 1;
}

} // namespace colinux
