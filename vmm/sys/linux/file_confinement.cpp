// SPDX-License-Identifier: GPL-2.0
#include "vmm/sys/linux/file_confinement.hpp"

#include "control/failure.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

// Newer than Debian 12's headers
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

namespace colinux {

namespace {

constexpr std::uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr int kVersionWithTruncate = 3; // Linux 6.2; before it opening with O_TRUNC alone is not seen

[[noreturn]] void cannot()
{
    throw Failure{ExitCode::Privileges, std::string{"the daemon cannot give up the files that it does not need: Landlock: "} + std::strerror(errno)};
}

void add(int rules, const FileConfinement::Folder& folder, std::uint64_t write)
{
    UniqueFd place{open(folder.path.c_str(), O_PATH | O_CLOEXEC)};
    landlock_path_beneath_attr rule{folder.write ? write : LANDLOCK_ACCESS_FS_REMOVE_FILE, place.get()};
    if (!place || syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        cannot();
}

} // namespace

FileConfinement::FileConfinement(const std::vector<Folder>& folders)
{
    long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return; // not built in, or not switched on (lsm=)
    std::uint64_t write = kWrite | (version >= kVersionWithTruncate ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
    landlock_ruleset_attr handled{};
    handled.handled_access_fs = write | kNever;
    rules_ = UniqueFd{static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0))};
    if (!rules_)
        cannot();
    for (const Folder& folder : folders)
        add(rules_.get(), folder, write);
}

bool FileConfinement::apply_here() const
{
    return !rules_ || (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, rules_.get(), 0) == 0);
}

void FileConfinement::apply(const Everywhere& everywhere) const
{
    bool applied = apply_here();
    everywhere([&] { applied = apply_here() && applied; });
    if (!applied)
        cannot();
}

} // namespace colinux
