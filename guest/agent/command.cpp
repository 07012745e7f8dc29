// SPDX-License-Identifier: GPL-2.0
#include "command.hpp"

#include "account.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace colinux::agent {

namespace {

constexpr int kCannotRun = 126, kNotFound = 127; // as shells say it
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Stage { // of the child, when it fails
    enum class Place : int { Streams, User, Folder, Program } place;
    int error;
};

struct ChildEnds {
    Descriptor input, output, error;
};

Command refused(int code, const std::string& why)
{
    Command command;
    command.refusal = code;
    command.why = why;
    return command;
}

std::vector<std::string> environment_of(const Request& request, const Account& account)
{
    std::vector<std::string> all{std::string{"PATH="} + kPath, "HOME=" + account.home, "USER=" + account.name, "LOGNAME=" + account.name,
                                 "SHELL=" + account.shell};
    for (const std::string& wanted : request.environment) {
        std::string name = wanted.substr(0, wanted.find('=') + 1);
        std::erase_if(all, [&](const std::string& known) { return known.starts_with(name); });
        all.push_back(wanted);
    }
    return all;
}

std::vector<char*> raw(std::vector<std::string>& words)
{
    std::vector<char*> pointers;
    std::ranges::transform(words, std::back_inserter(pointers), [](std::string& word) { return word.data(); });
    pointers.push_back(nullptr);
    return pointers;
}

bool make_pipe(Descriptor& reader, Descriptor& writer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    reader = Descriptor{ends[0]};
    writer = Descriptor{ends[1]};
    return true;
}

bool make_terminal(const Request& request, Command& command, ChildEnds& child)
{
    winsize size{};
    size.ws_row = request.rows;
    size.ws_col = request.columns;
    int ours, theirs;
    if (openpty(&ours, &theirs, nullptr, nullptr, &size) != 0)
        return false;
    command.input = Descriptor{ours};
    child.input = Descriptor{theirs};
    fcntl(ours, F_SETFD, FD_CLOEXEC);
    fcntl(theirs, F_SETFD, FD_CLOEXEC);
    command.output = Descriptor{fcntl(ours, F_DUPFD_CLOEXEC, 0)};
    return static_cast<bool>(command.output);
}

bool make_streams(const Request& request, Command& command, ChildEnds& child)
{
    if (request.has_tty)
        return make_terminal(request, command, child);
    if (!request.has_stdin)
        child.input = Descriptor{open("/dev/null", O_RDONLY | O_CLOEXEC)};
    else if (!make_pipe(child.input, command.input))
        return false;
    return child.input && make_pipe(command.output, child.output) && make_pipe(command.error, child.error);
}

bool take_streams(const Request& request, const ChildEnds& child)
{
    int input = child.input.get(), output = request.has_tty ? input : child.output.get(), error = request.has_tty ? input : child.error.get();
    if (setsid() < 0 || (request.has_tty && ioctl(input, TIOCSCTTY, 0) != 0))
        return false;
    return dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(error, STDERR_FILENO) >= 0;
}

bool become(const Account& account)
{
    if (geteuid() != 0)
        return account.user == geteuid(); // in a test
    return setgroups(account.groups.size(), account.groups.data()) == 0 && setresgid(account.group, account.group, account.group) == 0 &&
           setresuid(account.user, account.user, account.user) == 0;
}

void reset_signals()
{
    for (int number = 1; number < NSIG; number++)
        ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(const Request& request, const Account& account, const ChildEnds& child, int report)
{
    auto fail = [report](Stage::Place place) {
        Stage stage{place, errno};
        if (write(report, &stage, sizeof stage) < 0)
            _exit(kCannotRun);
        _exit(kCannotRun);
    };
    reset_signals();
    if (!take_streams(request, child))
        fail(Stage::Place::Streams);
    if (!become(account))
        fail(Stage::Place::User);
    if (!request.directory.empty() ? chdir(request.directory.c_str()) != 0 : chdir(account.home.c_str()) != 0 && chdir("/") != 0)
        fail(Stage::Place::Folder);
    std::vector<std::string> environment = environment_of(request, account), arguments = request.arguments;
    std::string program = arguments.empty() ? account.shell : arguments[0];
    if (arguments.empty()) // a shell that is a login shell knows it by this dash
        arguments.push_back("-" + account.shell.substr(account.shell.rfind('/') + 1));
    clearenv();
    for (std::string& variable : environment)
        putenv(variable.data());
    execvp(program.c_str(), raw(arguments).data()); // by the new PATH
    fail(Stage::Place::Program);
    _exit(kCannotRun);
}

Command refused_by_child(const Stage& stage, const Request& request)
{
    std::string reason = strerror(stage.error);
    switch (stage.place) {
    case Stage::Place::Streams:
        break;
    case Stage::Place::User:
        return refused(kCannotRun, "user " + request.user + ": " + reason);
    case Stage::Place::Folder:
        return refused(kCannotRun, "folder " + request.directory + ": " + reason);
    case Stage::Place::Program:
        return refused(stage.error == ENOENT ? kNotFound : kCannotRun, (request.arguments.empty() ? "the shell" : request.arguments[0]) + ": " + reason);
    }
    return refused(kCannotRun, "its streams: " + reason);
}

} // namespace

Command Command::start(const Request& request)
{
    std::optional<Account> account = find_account(request.user);
    if (!account)
        return refused(kCannotRun, "there is no user " + request.user);
    Command command;
    ChildEnds child;
    Descriptor report, report_end;
    if (!make_streams(request, command, child) || !make_pipe(report, report_end))
        return refused(kCannotRun, std::string{"its streams: "} + strerror(errno));
    command.pid = fork();
    if (command.pid == 0)
        run_child(request, *account, child, report_end.get());
    if (command.pid < 0)
        return refused(kCannotRun, std::string{"fork: "} + strerror(errno));
    report_end.close();
    Stage stage;
    if (read(report.get(), &stage, sizeof stage) == sizeof stage) {
        waitpid(command.pid, nullptr, 0);
        return refused_by_child(stage, request);
    }
    command.process = Descriptor{static_cast<int>(syscall(SYS_pidfd_open, command.pid, 0))};
    for (const Descriptor* ours : {&command.input, &command.output, &command.error})
        if (*ours)
            fcntl(ours->get(), F_SETFL, fcntl(ours->get(), F_GETFL) | O_NONBLOCK);
    return command;
}

void Command::signal(int number) const { ::kill(-pid, number); }

void Command::resize(std::uint16_t rows, std::uint16_t columns) const
{
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    ioctl(input.get(), TIOCSWINSZ, &size); // which sends SIGWINCH
}

} // namespace colinux::agent
