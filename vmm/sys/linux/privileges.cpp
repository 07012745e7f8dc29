// SPDX-License-Identifier: GPL-2.0
#include "vmm/sys/linux/privileges.hpp"

#include "control/failure.hpp"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace colinux {

namespace {

[[noreturn]] void cannot(const std::string& what)
{
    throw Failure{ExitCode::Privileges, "the daemon cannot give up " + what + ": " + std::strerror(errno) + "; it does not run a guest with them"};
}

bool drop_capabilities(capng_select_t which)
{
    return capng_get_caps_process() == 0 && (capng_clear(which), capng_apply(which) == 0);
}

} // namespace

std::optional<Account> find_account(const std::string& name)
{
    if (name.empty())
        return std::nullopt;
    errno = 0;
    const passwd* entry = getpwnam(name.c_str());
    if (!entry || entry->pw_uid == 0)
        throw Failure{ExitCode::Usage, "user '" + name + "': " + (entry ? "that is root" : "there is none on this host; make one: useradd --system " + name)};
    return Account{entry->pw_uid, entry->pw_gid};
}

int without_privileges(const std::optional<Account>& account, const std::function<int()>& question)
{
    pid_t child = fork();
    if (child == 0) {
        try {
            give_up_privileges(account, [](const std::function<void()>&) {});
            _exit(question());
        } catch (...) {
            _exit(EPERM);
        }
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

void give_up_privileges(const std::optional<Account>& account, const Everywhere& everywhere)
{
    // Without CAP_SETPCAP the bounding set cannot shrink, nor does it give anything: nothing is executed any more
    drop_capabilities(CAPNG_SELECT_BOUNDS);
    everywhere([] { drop_capabilities(CAPNG_SELECT_BOUNDS); });
    // The C library changes the identity of all threads
    if (account && (setgroups(0, nullptr) != 0 || setresgid(account->group, account->group, account->group) != 0 ||
                    setresuid(account->user, account->user, account->user) != 0))
        cannot("root's identity");
    bool dropped = drop_capabilities(CAPNG_SELECT_BOTH) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
    everywhere([&] { dropped = drop_capabilities(CAPNG_SELECT_BOTH) && dropped; });
    if (!dropped || capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
        cannot("its capabilities");
}

} // namespace colinux
