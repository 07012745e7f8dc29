// SPDX-License-Identifier: GPL-2.0
// One command at a time changes what is kept in a folder.
#pragma once

#include "control/unique_fd.hpp"

#include <functional>
#include <string>

namespace colinux {

// Makes the folder, and waits until nobody else holds it; the lock goes with the descriptor. `waiting` is called once, before that may take
// long. std::system_error: it cannot be made, opened or locked.
UniqueFd lock_folder(const std::string& folder, const std::function<void()>& waiting = {});

} // namespace colinux
