// SPDX-License-Identifier: GPL-2.0
// TCP within this machine: a listener on 127.0.0.1, and who is at the other end of a connection to it. The loopback network itself lets
// every user of the machine connect.
#pragma once

#include "control/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace colinux {

// Throws std::system_error: address in use, ...
UniqueFd listen_on_loopback(std::uint16_t port);

// The user who owns the other end of a connected socket, from the kernel's table of connections. Nothing: the other end is not
// on this machine (or network namespace), or is about to close: then the kernel has forgotten whose it was.
std::optional<uid_t> peer_of(int connection);

} // namespace colinux
