// SPDX-License-Identifier: GPL-2.0
#include "cli/agent_session.hpp"

#include "cli/control_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace colinux {

namespace {

constexpr std::chrono::seconds kPatience{60}; // longer than the daemon's with the guest
constexpr std::size_t kMostShown = 256 << 10; // that our reader has not taken: then the command waits
constexpr int kForegroundLookMs = 300;        // a shell's `fg` does not tell one that runs already
constexpr int kBrokenPipe = 128 + SIGPIPE;    // what the command itself would end with

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

std::string bytes_of(std::uint32_t number) { return {reinterpret_cast<const char*>(&number), sizeof number}; }

} // namespace

UniqueFd connect_to_agent(const std::string& guest)
{
    ControlClient client{guest, kPatience};
    client.call({{"call", "connect"}, {"port", CO_AGENT_PORT}});
    std::string none; // the agent speaks when it is spoken to
    return client.take_connection(none);
}

AgentSession::AgentSession(UniqueFd connection, const std::string& guest, const AgentRequest& request, Streams streams, HeldSignals* signals)
    : connection_{std::move(connection)}, guest_{guest}, streams_{std::move(streams)}, signals_{signals}, has_tty_{request.has_tty},
      input_open_{request.has_stdin}, output_{streams_.output}, error_{streams_.error}
{
    fcntl(connection_.get(), F_SETFL, O_NONBLOCK);
    if (request.has_tty && request.has_stdin && streams_.is_users)
        terminal_.emplace();
    send_request(request);
}

void AgentSession::send_request(const AgentRequest& request)
{
    std::string text;
    auto add = [&text](const char* key, const std::string& value) { text.append(key).append(value).push_back('\0'); };
    for (const std::string& argument : request.arguments)
        add("arg=", argument);
    for (const std::string& variable : request.environment)
        add("env=", variable);
    if (!request.user.empty())
        add("user=", request.user);
    if (!request.directory.empty())
        add("dir=", request.directory);
    if (request.has_stdin)
        add("stdin=", "1");
    TerminalSize size = terminal_size();
    if (request.has_tty)
        add("tty=", size.rows == 0 ? "24x80" : std::to_string(size.rows) + "x" + std::to_string(size.columns));
    if (text.size() > CO_AGENT_MAX_REQUEST)
        throw Failure{ExitCode::Usage, "the command and its environment are " + std::to_string(text.size()) + " bytes long; at most " +
                                           std::to_string(CO_AGENT_MAX_REQUEST) + " can be sent: give it by --interactive on standard input"};
    if (!text.empty())
        send(CO_AGENT_REQUEST, text);
    send(CO_AGENT_START, "");
}

AgentEnd AgentSession::run()
{
    while (!end_ || is_behind())
        wait_and_relay();
    if (terminal_)
        terminal_->restore();
    return *end_;
}

bool AgentSession::is_behind() const { return !to_output_.empty() || !to_error_.empty(); }

void AgentSession::wait_and_relay()
{
    if (terminal_)
        terminal_->take();
    bool raw = !terminal_ || !terminal_->is_terminal() || terminal_->is_raw();
    bool reads = input_open_ && window_ > 0 && to_send_.empty() && raw && !end_;
    bool room = to_output_.size() < kMostShown && to_error_.size() < kMostShown;
    short wanted = static_cast<short>((room && !end_ ? POLLIN : 0) | (to_send_.empty() ? 0 : POLLOUT));
    pollfd waits[5] = {{wanted ? connection_.get() : -1, wanted, 0},
                       {signals_ ? signals_->fd() : -1, POLLIN, 0},
                       {reads ? streams_.input : -1, POLLIN, 0},
                       {to_output_.empty() ? -1 : output_.fd(), POLLOUT, 0},
                       {to_error_.empty() ? -1 : error_.fd(), POLLOUT, 0}};
    if (poll(waits, 5, raw ? -1 : kForegroundLookMs) < 0)
        return;
    if (waits[1].revents)
        handle_signal();
    if ((waits[0].revents & POLLOUT) && !flush())
        lost("it took no more");
    if ((waits[0].revents & (POLLIN | POLLHUP | POLLERR)) && !receive() && !end_)
        lost("it has ended, or reboots");
    if (waits[2].revents)
        read_input();
    if (!show(output_, to_output_) || !show(error_, to_error_))
        end_ = AgentEnd{kBrokenPipe, ""}; // and the command gets SIGHUP
}

void AgentSession::lost(const char* why) const
{
    throw Failure{ExitCode::AgentLost, "the connection to the agent of guest " + guest_ + " was lost while the command ran (" + why + "): colinux ps; colinux logs " + guest_};
}

bool AgentSession::flush()
{
    while (!to_send_.empty()) {
        ssize_t count = ::send(connection_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL);
        if (count < 0) // who ends may have closed already, and what it said last is still to be read
            return would_block() || (errno == EPIPE && (to_send_.clear(), true));
        to_send_.erase(0, static_cast<std::size_t>(count));
    }
    return true;
}

bool AgentSession::receive()
{
    char bytes[65536];
    ssize_t count = recv(connection_.get(), bytes, sizeof bytes, 0);
    if (count < 0)
        return would_block();
    received_.append(bytes, static_cast<std::size_t>(count));
    handle_frames();
    return count > 0;
}

void AgentSession::handle_frames()
{
    co_agent_frame header;
    std::size_t at = 0;
    while (!end_ && received_.size() - at >= sizeof header) {
        std::memcpy(&header, received_.data() + at, sizeof header);
        if (header.bytes > CO_AGENT_MAX_PAYLOAD || header.reserved != 0)
            lost("it speaks another language");
        if (received_.size() - at - sizeof header < header.bytes)
            break;
        handle(header.type, std::string_view{received_}.substr(at + sizeof header, header.bytes));
        at += sizeof header + header.bytes;
    }
    received_.erase(0, at);
}

std::uint32_t AgentSession::number_in(std::string_view payload, std::size_t offset) const
{
    std::uint32_t number;
    if (payload.size() < offset + sizeof number)
        lost("it speaks another language");
    std::memcpy(&number, payload.data() + offset, sizeof number);
    return number;
}

void AgentSession::handle(unsigned type, std::string_view payload)
{
    switch (type) {
    case CO_AGENT_STARTED:
        break;
    case CO_AGENT_REFUSED:
        end_ = AgentEnd{static_cast<int>(number_in(payload, 0) & 0xff), std::string{payload.substr(sizeof(std::uint32_t))}};
        break;
    case CO_AGENT_STDOUT:
        to_output_ += payload;
        break;
    case CO_AGENT_STDERR:
        to_error_ += payload;
        break;
    case CO_AGENT_STDIN_TAKEN:
        window_ = std::min<std::uint32_t>(window_ + std::min<std::uint32_t>(number_in(payload, 0), CO_AGENT_STDIN_WINDOW), CO_AGENT_STDIN_WINDOW);
        break;
    case CO_AGENT_SIGNALLED:
        signals_on_the_way_ -= signals_on_the_way_ > 0;
        break;
    case CO_AGENT_EXITED:
        end_ = AgentEnd{static_cast<int>(number_in(payload, 0) & 0xff), ""};
        break;
    default:
        lost("it speaks another language");
    }
}

// One that comes while the one before has not reached the guest yet is for us: nobody is to be caught by a guest that hangs.
void AgentSession::handle_signal()
{
    int signal = signals_->take();
    if (signal == 0)
        return;
    if (signal == SIGWINCH || signal == SIGCONT) {
        if (signal == SIGCONT && terminal_)
            terminal_->lost(); // after SIGSTOP, too, which nobody hears of
        return send_size();
    }
    if (signal == SIGTSTP) {
        if (terminal_)
            terminal_->restore();
        return HeldSignals::do_default(SIGTSTP); // stops here; SIGCONT comes next
    }
    if (signals_on_the_way_ > 0 || end_) {
        if (terminal_)
            terminal_->restore();
        throw Failure{ExitCode::GuestKilled, "interrupted: guest " + guest_ + " did not take the signal before, or nobody reads the command's output"};
    }
    signals_on_the_way_++;
    send(CO_AGENT_SIGNAL, bytes_of(static_cast<std::uint32_t>(signal)));
}

void AgentSession::send_size()
{
    TerminalSize size = terminal_size();
    if (has_tty_ && size.rows != 0)
        send(CO_AGENT_RESIZE, bytes_of(size.rows | static_cast<std::uint32_t>(size.columns) << 16));
}

void AgentSession::read_input()
{
    char bytes[CO_AGENT_MAX_PAYLOAD];
    ssize_t count = read(streams_.input, bytes, std::min<std::size_t>(sizeof bytes, window_));
    if (count < 0 && would_block())
        return;
    input_open_ = count > 0;
    if (!input_open_ && streams_.before_input_ends)
        streams_.before_input_ends();
    window_ -= count > 0 ? static_cast<std::uint32_t>(count) : 0;
    send(CO_AGENT_STDIN, {bytes, count > 0 ? static_cast<std::size_t>(count) : 0});
}

void AgentSession::send(unsigned type, std::string_view payload)
{
    do { // what is longer than a frame becomes several
        std::string_view piece = payload.substr(0, CO_AGENT_MAX_PAYLOAD);
        co_agent_frame header{static_cast<co_u32>(piece.size()), static_cast<co_u16>(type), 0};
        to_send_.append(reinterpret_cast<const char*>(&header), sizeof header);
        to_send_ += piece;
        payload.remove_prefix(piece.size());
    } while (!payload.empty());
    if (!flush())
        lost("it took no more");
}

bool AgentSession::show(PatientOutput& output, std::string& text)
{
    std::ptrdiff_t taken = text.empty() ? 0 : output.write(text);
    text.erase(0, taken < 0 ? std::string::npos : static_cast<std::size_t>(taken));
    return taken >= 0;
}

} // namespace colinux
