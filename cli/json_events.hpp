// SPDX-License-Identifier: GPL-2.0
// What `--json` prints on standard output, one object a line: the daemon's words (vmm/startup_report.hpp), so that a script reads one
// language whoever speaks.
#pragma once

#include "control/failure.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace colinux {

inline std::string event_line(const nlohmann::json& event)
{
    return event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// {"code":31,"event":"error","message":"..."}; the code is the exit code, too.
inline std::string error_event(const Failure& failure)
{
    return event_line({{"event", "error"}, {"code", static_cast<int>(failure.code())}, {"message", failure.what()}});
}

} // namespace colinux
