// SPDX-License-Identifier: GPL-2.0
#include "cli/subprocess.hpp"

#include "cli/stop_signals.hpp"
#include "control/failure.hpp"
#include "control/unique_fd.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>

extern char** environ;

namespace colinux {

namespace {

// The process id, or -1 when the program is not there. The program gets the default signal actions, whatever ours are, and
// what we hold back reaches it.
pid_t spawn(const std::vector<std::string>& arguments, posix_spawn_file_actions_t* actions, bool own_group = false)
{
    std::vector<char*> raw;
    for (const std::string& argument : arguments)
        raw.push_back(const_cast<char*>(argument.c_str()));
    raw.push_back(nullptr);
    sigset_t defaults;
    sigemptyset(&defaults);
    for (int signal : {SIGINT, SIGQUIT, SIGPIPE})
        sigaddset(&defaults, signal);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    pid_t pid;
    bool spawned = posix_spawnp(&pid, raw[0], actions, &attributes, raw.data(), environ) == 0;
    posix_spawnattr_destroy(&attributes);
    return spawned ? pid : -1;
}

int wait_for(pid_t pid)
{
    if (pid < 0)
        return 127;
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// 0 at the end, or when a signal has come.
ssize_t wait_and_read(int fd, char* bytes, std::size_t size, const StopSignals* stop)
{
    for (;;) {
        pollfd waits[2] = {{fd, POLLIN, 0}, {stop ? stop->fd() : -1, POLLIN, 0}};
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents)
            return 0;
        ssize_t count = read(fd, bytes, size);
        if (count >= 0 || errno != EINTR)
            return count;
    }
}

} // namespace

Finished run_and_capture(const std::vector<std::string>& arguments, StopSignals* stop)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        throw Failure{ExitCode::Internal, "no file descriptor left"};
    UniqueFd reader{ends[0]}, writer{ends[1]};

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = spawn(arguments, &actions);
    posix_spawn_file_actions_destroy(&actions);
    writer.reset();

    Finished finished;
    char bytes[4096];
    for (ssize_t count; (count = wait_and_read(reader.get(), bytes, sizeof bytes, stop)) > 0;)
        finished.output.append(bytes, static_cast<std::size_t>(count));
    bool stopped = stop && stop->take() != 0;
    if (stopped && pid > 0)
        kill(pid, SIGKILL);
    finished.status = wait_for(pid);
    if (stopped)
        StopSignals::interrupted();
    return finished;
}

int run_in_foreground(const std::vector<std::string>& arguments, bool to_stderr)
{
    // Ctrl-C is for the program: it cleans up, and we tell how it ended.
    sighandler_t interrupt = signal(SIGINT, SIG_IGN), quit = signal(SIGQUIT, SIG_IGN);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (to_stderr)
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int status = wait_for(spawn(arguments, &actions));
    posix_spawn_file_actions_destroy(&actions);
    signal(SIGINT, interrupt);
    signal(SIGQUIT, quit);
    return status;
}

pid_t spawn_with_pipe(const std::vector<std::string>& arguments, int as, int fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, as);
    if (as == STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    pid_t pid = spawn(arguments, &actions, true);
    posix_spawn_file_actions_destroy(&actions);
    if (pid < 0)
        throw Failure{ExitCode::CopyFailed, arguments[0] + " is not there"};
    return pid;
}

int wait_for_process(pid_t pid) { return wait_for(pid); }

bool has_program(const std::string& program)
{
    const char* path = getenv("PATH");
    std::istringstream folders{path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"};
    for (std::string folder; std::getline(folders, folder, ':');)
        if (access((folder + "/" + program).c_str(), X_OK) == 0)
            return true;
    return false;
}

void need_program(const std::string& program, const std::string& package)
{
    if (!has_program(program))
        throw Failure{ExitCode::ToolMissing, program + " is not installed: apt-get install " + package};
}

} // namespace colinux
