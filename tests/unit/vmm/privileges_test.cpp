// SPDX-License-Identifier: GPL-2.0
// What the daemon gives up, in processes of their own.
#include "vmm/sys/linux/privileges.hpp"

#include "control/dump_file.hpp"
#include "control/failure.hpp"
#include "control/unique_fd.hpp"
#include "vmm/sys/linux/file_confinement.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace colinux {
namespace {

// The exit code of a process that runs `body`; the line of its first broken promise.
template <typename Body>
int in_a_process(Body body)
{
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

bool is_refused(long result) { return result == -1 && errno == ENOSYS; }

// On a thread: not null when it is refused. (No std::thread: the sanitizer's look at its vptr needs refused calls.)
void* ask_for_a_socket(void* go)
{
    char byte;
    bool told = read(*static_cast<int*>(go), &byte, 1) == 1;
    return told && is_refused(socket(AF_UNIX, SOCK_STREAM, 0)) ? go : nullptr;
}

#define PROMISE(what)                                                                                                                            \
    if (!(what))                                                                                                                                 \
    return __LINE__

TEST(SystemCallFilter, WhatIsNotListedIsRefusedAndCounted)
{
    EXPECT_EQ(in_a_process([] {
                  filter_system_calls(false);
                  PROMISE(is_refused(open("/tmp/colinux-made-by-a-test", O_WRONLY | O_CREAT, 0600)));
                  PROMISE(is_refused(open("/dev/null", O_RDWR)));
                  PROMISE(is_refused(socket(AF_UNIX, SOCK_STREAM, 0)));
                  PROMISE(is_refused(execl("/bin/true", "true", nullptr)));
                  PROMISE(is_refused(fork()));
                  PROMISE(is_refused(syscall(SYS_io_uring_setup, 4, nullptr)));
                  PROMISE(is_refused(kill(getppid(), 0)));
                  PROMISE(is_refused(syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
                  PROMISE(refused_system_calls()["openat"] == 2);
                  PROMISE(refused_system_calls()["execve"] == 1);
                  return 0;
              }),
              0);
}

TEST(SystemCallFilter, ACrashDumpCanBeMade)
{
    char name[] = "/tmp/colinux-test-XXXXXX";
    std::string folder = mkdtemp(name);
    EXPECT_EQ(in_a_process([&] {
                  filter_system_calls(true);
                  DumpFile file{folder + "/core"};
                  PROMISE(write(file.fd(), "core", 4) == 4);
                  file.complete();
                  PROMISE(refused_system_calls().empty());
                  return 0;
              }),
              0);
    EXPECT_TRUE(std::filesystem::exists(folder + "/core"));
    std::filesystem::remove_all(folder);
}

TEST(SystemCallFilter, WhatAGuestNeedsIsNotRefused)
{
    EXPECT_EQ(in_a_process([] {
                  filter_system_calls(false);
                  PROMISE(UniqueFd{open("/etc/passwd", O_RDONLY | O_CLOEXEC)});
                  PROMISE(UniqueFd{socket(AF_INET, SOCK_STREAM, 0)});
                  pthread_t thread;
                  PROMISE(pthread_create(&thread, nullptr, [](void* mark) { return mark; }, &thread) == 0);
                  void* heard = nullptr;
                  pthread_join(thread, &heard);
                  PROMISE(heard == &thread);
                  PROMISE(refused_system_calls().empty());
                  return 0;
              }),
              0);
}

TEST(SystemCallFilter, HoldsForThreadsThatAreThereAlready)
{
    EXPECT_EQ(in_a_process([] {
                  int go[2];
                  PROMISE(pipe(go) == 0);
                  pthread_t thread;
                  pthread_create(&thread, nullptr, ask_for_a_socket, &go[0]);
                  filter_system_calls(false);
                  PROMISE(write(go[1], "!", 1) == 1);
                  void* refused = nullptr;
                  pthread_join(thread, &refused);
                  PROMISE(refused);
                  return 0;
              }),
              0);
}

TEST(Privileges, IdentityAndCapabilitiesAreGone)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "nothing to give up: not root";
    EXPECT_EQ(in_a_process([] {
                  int elsewhere = 0;
                  give_up_privileges(Account{65534, 65534}, [&](const std::function<void()>& task) {
                      elsewhere++;
                      task();
                  });
                  PROMISE(elsewhere > 0);
                  PROMISE(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534 && getgroups(0, nullptr) == 0);
                  PROMISE(setuid(0) != 0);
                  return 0;
              }),
              0);
    EXPECT_EQ(in_a_process([] {
                  give_up_privileges({}, [](const std::function<void()>& task) { task(); });
                  PROMISE(getuid() == 0);
                  PROMISE(setuid(65534) != 0); // no CAP_SETUID
                  return 0;
              }),
              0);
}

TEST(FileConfinement, FilesAreMadeAndRemovedInTheNamedFoldersOnly)
{
    if (syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
        GTEST_SKIP() << "this kernel has no Landlock";
    char name[] = "/tmp/colinux-test-XXXXXX";
    std::filesystem::path folder{mkdtemp(name)};
    auto in = [&](const char* file) { return (folder / file).string(); };
    auto make = [&](const char* file) { return UniqueFd{open(in(file).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)}; };
    std::filesystem::create_directory(in("dumps")), std::filesystem::create_directory(in("run"));
    EXPECT_EQ(in_a_process([&] {
                  UniqueFd before = make("run/log"), socket = make("run/socket");
                  FileConfinement{{{in("dumps"), true}, {in("run"), false}}}.apply([](const std::function<void()>&) {});
                  PROMISE(make("dumps/new") && rename(in("dumps/new").c_str(), in("dumps/core").c_str()) == 0);
                  PROMISE(rename(in("dumps/core").c_str(), in("run/core").c_str()) != 0);
                  PROMISE(!make("run/new") && !make("run/log") && !make("new"));
                  PROMISE(mkdir(in("dumps/folder").c_str(), 0700) != 0);
                  PROMISE(unlink(in("run/socket").c_str()) == 0);
                  PROMISE(ftruncate(before.get(), 10) == 0 && write(before.get(), "text", 4) == 4);
                  PROMISE(UniqueFd{open("/etc/passwd", O_RDONLY | O_CLOEXEC)});
                  return 0;
              }),
              0);
    std::filesystem::remove_all(folder);
}

TEST(Privileges, QuestionIsAnsweredWithoutThem)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "nothing to give up: not root";
    char folder[] = "/tmp/colinux-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr); // root's, mode 0700
    auto writes = [&] { return access(folder, W_OK) == 0 ? 0 : errno; };
    EXPECT_EQ(without_privileges({}, writes), 0);
    EXPECT_EQ(without_privileges(Account{65534, 65534}, writes), EACCES);
    EXPECT_EQ(chown(folder, 65534, 65534), 0);
    EXPECT_EQ(without_privileges({}, writes), EACCES);
    EXPECT_EQ(without_privileges(Account{65534, 65534}, writes), 0);
    EXPECT_EQ(writes(), 0) << "we have them still";
    rmdir(folder);
}

TEST(Privileges, UserIsLookedUp)
{
    EXPECT_FALSE(find_account(""));
    EXPECT_EQ(find_account("nobody")->user, 65534u);
    EXPECT_THROW(find_account("root"), Failure);
    EXPECT_THROW(find_account("no such user"), Failure);
}

} // namespace
} // namespace colinux
