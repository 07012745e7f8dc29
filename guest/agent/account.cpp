// SPDX-License-Identifier: GPL-2.0
#include "account.hpp"

#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace colinux::agent {

namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

std::optional<uid_t> as_number(const std::string& text)
{
    uid_t number;
    const char* end = text.data() + text.size();
    auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || rest != end || number == static_cast<uid_t>(-1)) // which means "leave it" to setresuid()
        return std::nullopt;
    return number;
}

void add_groups(Account& account, const char* path)
{
    File file{fopen(path, "re"), fclose};
    if (!file)
        return;
    while (const group* entry = fgetgrent(file.get()))
        for (char** member = entry->gr_mem; *member; member++)
            if (account.name == *member && entry->gr_gid != account.group)
                account.groups.push_back(entry->gr_gid);
}

} // namespace

std::optional<Account> find_account(const std::string& user, const char* passwd, const char* group)
{
    std::optional<uid_t> number = as_number(user);
    std::optional<Account> found;
    if (File file{fopen(passwd, "re"), fclose}; file) {
        while (const struct passwd* entry = fgetpwent(file.get())) {
            if (user != entry->pw_name && number != entry->pw_uid)
                continue;
            found = Account{entry->pw_name, entry->pw_dir, *entry->pw_shell ? entry->pw_shell : "/bin/sh", entry->pw_uid, entry->pw_gid, {}};
            if (user == entry->pw_name)
                break; // else a name that looks like this number may still come
        }
    }
    if (!found && (number || user == "root"))
        found = Account{user, number.value_or(0) == 0 ? "/root" : "/", "/bin/sh", number.value_or(0), number.value_or(0), {}};
    if (found) {
        found->groups.push_back(found->group);
        add_groups(*found, group);
    }
    return found;
}

} // namespace colinux::agent
