// SPDX-License-Identifier: GPL-2.0
// What a guest costs the host beside its RAM, as far as its daemon goes.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>

#include <sys/types.h>

namespace colinux {

// Bytes in memory that this process alone made there: not the guest's RAM, nor pages of files, which others share or the host takes
// back. From what /proc/PID/smaps says (proc(5)).
std::uint64_t own_bytes(std::istream& smaps);

// The same of a running process; none: it has ended, or it is another user's.
std::optional<std::uint64_t> own_bytes_of(pid_t pid);

} // namespace colinux
