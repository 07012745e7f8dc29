// SPDX-License-Identifier: GPL-2.0
// What the daemon gives up before a guest runs: capabilities, root's identity where another user is named, and every system call
// that running a guest does not need. From then on rings, packets and keys of the guest's are parsed by code that can do little
// more than what its open descriptors allow. docs/daemon-privileges.md.
#pragma once

#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

namespace colinux {

struct Account {
    uid_t user;
    gid_t group;
};

// Failure: Usage, no such user, or root. Empty: none.
std::optional<Account> find_account(const std::string& name);

// `everywhere` runs a task on every other thread that there is: capabilities are each thread's own. Failure: Privileges.
using Everywhere = std::function<void(const std::function<void()>&)>;
void give_up_privileges(const std::optional<Account>& account, const Everywhere& everywhere);

// What `question` (0 or an errno) answers in a process that has given up the same; for what is to be known before it is too late.
int without_privileges(const std::optional<Account>& account, const std::function<int()>& question);

// All threads, now and later. A refused call fails with ENOSYS and is counted. `makes_files`: for a crash dump. Failure: Privileges.
void filter_system_calls(bool makes_files);
nlohmann::json refused_system_calls(); // {"openat": 2}

} // namespace colinux
