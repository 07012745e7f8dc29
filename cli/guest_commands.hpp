// SPDX-License-Identifier: GPL-2.0
// What `stop` and `ps` do, for the commands of guests that are written down.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace colinux {

// As one of `ps --json`; null: no guest of that name runs.
nlohmann::json guest_status(const std::string& name);

// Asks the guest to shut down, waits until it has and says how it ended. Failure: NameUnknown, StopIgnored, ControlSocket.
void stop_guest(const std::string& name, unsigned seconds);

} // namespace colinux
