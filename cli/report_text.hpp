// SPDX-License-Identifier: GPL-2.0
// A report of a guest (docs/debugging.md) as text for people.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace colinux {

// Fields that are missing are left out. Names and lines are the guest's own: no control characters of theirs reach a terminal.
std::string report_text(const nlohmann::json& report);

} // namespace colinux
