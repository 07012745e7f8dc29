// SPDX-License-Identifier: GPL-2.0
#include "session.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include <cerrno>
#include <cstring>

namespace colinux::agent {

namespace {

constexpr std::size_t kMostToSend = 256 << 10; // then the command waits
constexpr std::size_t kTerminalBytes = 64 << 10;
constexpr int kTerminalRestMs = 100; // what was written to a terminal before the end may come a moment after it

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

} // namespace

Session::Session(Descriptor connection) : connection_{std::move(connection)}
{
    fcntl(connection_.get(), F_SETFL, fcntl(connection_.get(), F_GETFL) | O_NONBLOCK);
}

void Session::run()
{
    ::signal(SIGPIPE, SIG_IGN); // a command that has closed its input
    if (!read_request())
        return;
    command_ = Command::start(request_);
    if (command_.pid < 0) {
        send(CO_AGENT_REFUSED, bytes_of_number(static_cast<std::uint32_t>(command_.refusal)) + command_.why);
    } else {
        send(CO_AGENT_STARTED, bytes_of_number(CO_AGENT_VERSION));
        std::size_t most = request_.has_tty ? kTerminalBytes : static_cast<std::size_t>(fcntl(command_.output.get(), F_GETPIPE_SZ));
        outputs_[0] = {std::move(command_.output), CO_AGENT_STDOUT, most};
        outputs_[1] = {std::move(command_.error), CO_AGENT_STDERR, most};
    }
    serve();
}

// The commonest way to here: somebody who connects and says nothing costs one process, and goes with his connection.
bool Session::read_request()
{
    std::string text;
    for (;;) {
        while (std::optional<Frame> frame = frames_.next()) {
            if (frame->type == CO_AGENT_START) {
                std::string why;
                std::optional<Request> request = parse_request(text, why);
                if (!request)
                    send(CO_AGENT_REFUSED, bytes_of_number(126) + why);
                else
                    request_ = std::move(*request);
                return request || (flush(), false);
            }
            text += frame->payload;
            if (frame->type != CO_AGENT_REQUEST || text.size() > CO_AGENT_MAX_REQUEST)
                return false;
        }
        pollfd waits{connection_.get(), POLLIN, 0};
        char bytes[4096];
        if (frames_.is_damaged() || poll(&waits, 1, -1) < 0)
            return false;
        ssize_t count = recv(connection_.get(), bytes, sizeof bytes, 0);
        if (count == 0 || (count < 0 && !would_block()))
            return false;
        frames_.add(bytes, count < 0 ? 0 : static_cast<std::size_t>(count));
    }
}

void Session::serve()
{
    if (command_.pid < 0)
        exited_ = told_ = true;
    bool connected = true;
    while (connected) { // frames that came with the request are handled first
        while (std::optional<Frame> frame = connected ? frames_.next() : std::nullopt)
            connected = handle(*frame);
        if (!connected || frames_.is_damaged() || !flush() || is_over())
            break;
        Waits waits;
        wait(waits);
        if (waits[kConnection].revents & (POLLIN | POLLHUP | POLLERR))
            connected = receive();
        if (waits[kInput].revents)
            feed_input();
        for (std::size_t i = 0; i < outputs_.size(); i++) {
            Output& output = outputs_[i];
            bool more = waits[kOutput + i].revents != 0 && read_output(output);
            if (exited_ && waits[kOutput + i].fd >= 0 && !more)
                output.fd.close(); // whoever has it still was started in the background
        }
        if (waits[kProcess].revents)
            note_exit();
        if (exited_ && !told_ && !outputs_[0].fd && !outputs_[1].fd) {
            bool killed = WIFSIGNALED(status_);
            int code = killed ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
            send(CO_AGENT_EXITED, bytes_of_number(static_cast<std::uint32_t>(code)) + bytes_of_number(killed ? static_cast<std::uint32_t>(WTERMSIG(status_)) : 0));
            told_ = true;
        }
    }
    if (!exited_)
        hang_up();
}

void Session::wait(Waits& waits)
{
    bool room = to_send_.size() < kMostToSend;
    int limit = exited_ && room && !told_ ? (request_.has_tty ? kTerminalRestMs : 0) : -1;
    waits = {{{connection_.get(), static_cast<short>(POLLIN | (to_send_.empty() ? 0 : POLLOUT)), 0},
              {exited_ ? -1 : command_.process.get(), POLLIN, 0},
              {input_.empty() ? -1 : command_.input.get(), POLLOUT, 0},
              {room ? outputs_[0].fd.get() : -1, POLLIN, 0},
              {room ? outputs_[1].fd.get() : -1, POLLIN, 0}}};
    if (poll(waits.data(), waits.size(), limit) < 0)
        for (pollfd& one : waits)
            one.revents = 0;
}

bool Session::receive()
{
    char bytes[16384];
    ssize_t count = recv(connection_.get(), bytes, sizeof bytes, 0);
    if (count < 0)
        return would_block();
    frames_.add(bytes, static_cast<std::size_t>(count));
    return count > 0;
}

bool Session::handle(const Frame& frame)
{
    std::optional<std::uint32_t> number = number_in(frame.payload);
    switch (frame.type) {
    case CO_AGENT_STDIN:
        return take_input(frame.payload);
    case CO_AGENT_SIGNAL:
        if (!number || *number == 0 || *number > 64)
            return false;
        if (!exited_)
            command_.signal(static_cast<int>(*number));
        send(CO_AGENT_SIGNALLED, "");
        return true;
    case CO_AGENT_RESIZE:
        if (!number)
            return false;
        if (request_.has_tty && !exited_)
            command_.resize(static_cast<std::uint16_t>(*number), static_cast<std::uint16_t>(*number >> 16));
        return true;
    default:
        return false;
    }
}

bool Session::take_input(const std::string& bytes)
{
    if (input_ends_ || input_.size() + bytes.size() > CO_AGENT_STDIN_WINDOW)
        return false;
    input_ += bytes;
    input_ends_ = bytes.empty();
    feed_input();
    return true;
}

void Session::feed_input()
{
    std::size_t taken = 0;
    if (input_closed_ || !command_.input) { // nobody reads it: who sends it shall get to its end
        taken = input_.size();
    } else if (!input_.empty()) {
        ssize_t count = write(command_.input.get(), input_.data(), input_.size());
        if (count < 0 && !would_block())
            input_closed_ = true;
        taken = count < 0 ? (input_closed_ ? input_.size() : 0) : static_cast<std::size_t>(count);
    }
    input_.erase(0, taken);
    if (taken > 0)
        send(CO_AGENT_STDIN_TAKEN, bytes_of_number(static_cast<std::uint32_t>(taken)));
    if (!input_.empty() || !input_ends_ || input_closed_)
        return;
    input_closed_ = true;
    if (!request_.has_tty) {
        command_.input.close();
        return;
    }
    termios settings;
    if (tcgetattr(command_.input.get(), &settings) == 0 && settings.c_lflag & ICANON && write(command_.input.get(), &settings.c_cc[VEOF], 1) < 0)
        input_closed_ = true; // it has gone
}

// False: nothing more comes.
bool Session::read_output(Output& output)
{
    char bytes[CO_AGENT_MAX_PAYLOAD];
    ssize_t count = read(output.fd.get(), bytes, exited_ ? std::min(sizeof bytes, output.left) : sizeof bytes);
    if (count < 0 && would_block())
        return true;
    if (count <= 0) { // a terminal says EIO
        output.fd.close();
        return false;
    }
    if (exited_)
        output.left -= static_cast<std::size_t>(count);
    send(output.type, {bytes, static_cast<std::size_t>(count)});
    return true;
}

void Session::note_exit() { exited_ = waitpid(command_.pid, &status_, WNOHANG) == command_.pid; }

void Session::send(unsigned type, std::string_view payload) { append_frame(to_send_, type, payload); }

bool Session::flush()
{
    while (!to_send_.empty()) {
        ssize_t count = ::send(connection_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL);
        if (count < 0)
            return would_block();
        to_send_.erase(0, static_cast<std::size_t>(count));
    }
    return true;
}

void Session::hang_up()
{
    command_.signal(SIGHUP);
    command_.signal(SIGCONT);
}

} // namespace colinux::agent
