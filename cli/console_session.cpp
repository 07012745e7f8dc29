// SPDX-License-Identifier: GPL-2.0
#include "cli/console_session.hpp"

#include "cli/terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace colinux {

namespace {

constexpr char kDetachKey = 0x1d; // Ctrl-]

void write_out(const char* bytes, std::size_t count)
{
    while (count > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, count);
        if (written < 0 && errno == EAGAIN) {
            pollfd out{STDOUT_FILENO, POLLOUT, 0};
            poll(&out, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return; // nobody reads us any more; the guest need not suffer from that
        }
        if (written > 0) {
            bytes += written;
            count -= static_cast<std::size_t>(written);
        }
    }
}

} // namespace

ConsoleSession::ConsoleSession(const std::string& name, OnSignal on_signal) : control_{name}, on_signal_{on_signal}
{
    sigset_t mine;
    sigemptyset(&mine);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH})
        sigaddset(&mine, signal);
    sigprocmask(SIG_BLOCK, &mine, &signals_before_);
    signals_ = UniqueFd{signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK)};

    send_size();
    ControlClient stream{name};
    stream.call("console");
    console_ = stream.take_connection(early_);
    fcntl(console_.get(), F_SETFL, O_NONBLOCK);
}

ConsoleSession::~ConsoleSession() { sigprocmask(SIG_SETMASK, &signals_before_, nullptr); }

ConsoleSession::Outcome ConsoleSession::run()
{
    RawTerminal terminal;
    write_out(early_.data(), early_.size());
    early_.clear();
    for (;;) {
        pollfd waits[3] = {{console_.get(), static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0},
                           {signals_.get(), POLLIN, 0},
                           {input_open_ && pending_.empty() ? STDIN_FILENO : -1, POLLIN, 0}};
        if (poll(waits, 3, -1) < 0)
            continue;
        if ((waits[0].revents & (POLLIN | POLLHUP | POLLERR)) && !relay_output())
            return Outcome::Ended;
        if ((waits[0].revents & POLLOUT) && !flush_input())
            return Outcome::Ended;
        if (waits[1].revents && !handle_signal())
            return Outcome::Detached;
        if (waits[2].revents && !relay_input(terminal.is_terminal()))
            return Outcome::Detached;
    }
}

bool ConsoleSession::relay_output()
{
    char bytes[16384];
    ssize_t count = recv(console_.get(), bytes, sizeof bytes, 0);
    if (count > 0)
        write_out(bytes, static_cast<std::size_t>(count));
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

bool ConsoleSession::relay_input(bool is_terminal)
{
    char bytes[4096];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        input_open_ = count < 0 && (errno == EAGAIN || errno == EINTR);
        return true;
    }
    std::string_view typed{bytes, static_cast<std::size_t>(count)};
    std::size_t detach = is_terminal ? typed.find(kDetachKey) : std::string_view::npos;
    pending_ += typed.substr(0, detach);
    flush_input();
    return detach == std::string_view::npos;
}

bool ConsoleSession::flush_input()
{
    ssize_t count = send(console_.get(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    pending_.erase(0, static_cast<std::size_t>(count));
    return true;
}

bool ConsoleSession::handle_signal()
{
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof info) != sizeof info)
        return true;
    if (info.ssi_signo == SIGWINCH) {
        send_size();
        return true;
    }
    if (on_signal_ == OnSignal::Detach)
        return false;
    try {
        control_.call(stop_requests_++ == 0 ? "stop" : "kill");
    } catch (const Failure&) {
        // It has ended meanwhile: the console says so next.
    }
    return true;
}

void ConsoleSession::send_size()
{
    TerminalSize size = terminal_size();
    if (size.rows == 0)
        return;
    try {
        control_.call({{"call", "resize"}, {"rows", size.rows}, {"columns", size.columns}});
    } catch (const Failure&) {
        // As above; a console without the right size is better than none.
    }
}

} // namespace colinux
