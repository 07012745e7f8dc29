// SPDX-License-Identifier: GPL-2.0
#include "cli/console_session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace colinux {

namespace {

constexpr char kDetachKey = 0x1d;     // Ctrl-]
constexpr int kForegroundLookMs = 300; // a shell's `fg` does not tell one that runs already
constexpr int kGoodbyeMs = 200;

} // namespace

ConsoleSession::ConsoleSession(const std::string& name, StopSignals& stop, std::function<void()> on_stop)
    : control_{name}, stop_{stop}, on_stop_{std::move(on_stop)}
{
    send_size();
    ControlClient stream{name};
    stream.call("console");
    console_ = stream.take_connection(shown_);
    fcntl(console_.get(), F_SETFL, O_NONBLOCK);
}

ConsoleSession::Outcome ConsoleSession::run()
{
    for (;;) {
        terminal_.take();
        show();
        bool behind = !shown_.empty(); // first what we have, then more; and then the guest's end
        bool keys = input_open_ && pending_.empty() && (terminal_.is_raw() || !terminal_.is_terminal());
        pollfd waits[5] = {{behind ? -1 : console_.get(), static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0},
                           {stop_.fd(), POLLIN, 0},
                           {terminal_signals_.fd(), POLLIN, 0},
                           {keys ? STDIN_FILENO : -1, POLLIN, 0},
                           {behind ? output_.fd() : -1, POLLOUT, 0}};
        if (poll(waits, 5, terminal_.is_terminal() && !terminal_.is_raw() ? kForegroundLookMs : -1) < 0)
            continue;
        if (waits[1].revents && !handle_stop())
            break;
        if (waits[2].revents)
            handle_terminal_signal();
        if ((waits[0].revents & (POLLIN | POLLHUP | POLLERR)) && !relay_output())
            return show_rest(), Outcome::Ended;
        if ((waits[0].revents & POLLOUT) && !flush_input())
            return show_rest(), Outcome::Ended;
        if (waits[3].revents && !relay_input())
            break;
    }
    terminal_.restore();
    return Outcome::Detached;
}

bool ConsoleSession::relay_output()
{
    char bytes[16384];
    ssize_t count = recv(console_.get(), bytes, sizeof bytes, 0);
    if (count > 0)
        shown_.append(bytes, static_cast<std::size_t>(count));
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

void ConsoleSession::show()
{
    std::ptrdiff_t taken = output_open_ ? output_.write(shown_) : -1;
    output_open_ = taken >= 0; // when nobody reads us any more, the guest need not suffer from that
    shown_.erase(0, taken < 0 ? std::string::npos : static_cast<std::size_t>(taken));
}

// The guest has ended. Who reads slowly gets all of it, unless we are asked to end, too.
void ConsoleSession::show_rest()
{
    for (show(); !shown_.empty(); show()) {
        pollfd waits[2] = {{output_.fd(), POLLOUT, 0}, {asked_to_stop_ ? -1 : stop_.fd(), POLLIN, 0}};
        int ready = poll(waits, 2, asked_to_stop_ ? kGoodbyeMs : -1);
        if (ready == 0 || (ready > 0 && waits[1].revents))
            break;
    }
    terminal_.restore();
}

bool ConsoleSession::relay_input()
{
    char bytes[4096];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        input_open_ = count < 0 && (errno == EAGAIN || errno == EINTR);
        return true;
    }
    std::string_view typed{bytes, static_cast<std::size_t>(count)};
    std::size_t detach = terminal_.is_terminal() ? typed.find(kDetachKey) : std::string_view::npos;
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

bool ConsoleSession::handle_stop()
{
    if (stop_.take() == 0)
        return true;
    asked_to_stop_ = true;
    if (!on_stop_)
        return false;
    on_stop_();
    return true;
}

void ConsoleSession::handle_terminal_signal()
{
    int signal = terminal_signals_.take();
    if (signal == SIGTSTP) {
        terminal_.restore();
        terminal_signals_.do_default(SIGTSTP); // stops here; SIGCONT comes next
    } else if (signal == SIGCONT) {
        terminal_.lost(); // after SIGSTOP, too, which nobody hears of
    }
    if (signal == SIGCONT || signal == SIGWINCH)
        send_size();
}

void ConsoleSession::send_size()
{
    TerminalSize size = terminal_size();
    if (size.rows == 0)
        return;
    try {
        control_.call({{"call", "resize"}, {"rows", size.rows}, {"columns", size.columns}});
    } catch (const Failure&) {
        // It has ended meanwhile: the console says so next.
    }
}

} // namespace colinux
