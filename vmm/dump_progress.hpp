// SPDX-License-Identifier: GPL-2.0
// DumpProgress: who writes a guest's memory to a file tells now and then how far it is.
#pragma once

#include <cstdint>
#include <functional>

namespace colinux {

using DumpProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>; // bytes; false: stop

} // namespace colinux
