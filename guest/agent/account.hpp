// SPDX-License-Identifier: GPL-2.0
// Account: whom a command runs as, from /etc/passwd and /etc/group: a static program has no other sources of names.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace colinux::agent {

struct Account {
    std::string name, home, shell;
    uid_t user{};
    gid_t group{};
    std::vector<gid_t> groups; // all of them
};

// `user`: a name or a number; a number that nobody has is taken, too. Empty: no such user.
std::optional<Account> find_account(const std::string& user, const char* passwd = "/etc/passwd", const char* group = "/etc/group");

} // namespace colinux::agent
