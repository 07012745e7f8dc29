// SPDX-License-Identifier: GPL-2.0
// What `colinux stats` makes of a guest's counters.
#pragma once

#include <nlohmann/json.hpp>

namespace colinux {

// Events per second between two answers to the control call "stats", `seconds` apart: {"switches": N, "calls": {NAME: N, ...},
// "nmis": N, ...}, rounded to tenths. Sizes (..._bytes) are left out, and calls that did not happen.
nlohmann::json rates(const nlohmann::json& before, const nlohmann::json& now, double seconds);

} // namespace colinux
