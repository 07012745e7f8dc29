// SPDX-License-Identifier: GPL-2.0
#include "vmm/control_server.hpp"

#include "control/descriptors.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace colinux {

using Call = ControlRequest::Call;

namespace {

constexpr std::size_t kMaximumConnections = 64;
constexpr std::chrono::milliseconds kRest{100}; // when no descriptor is left

// The name appears when there is somebody to answer: a client that came between bind() and listen() would be refused.
UniqueFd listen_at(const std::string& path)
{
    std::string unfinished = path + "+";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (unfinished.size() >= sizeof address.sun_path)
        throw Failure{ExitCode::Internal, path + ": too long for a socket's name; set COLINUX_RUN_DIR to a shorter path"};
    memcpy(address.sun_path, unfinished.c_str(), unfinished.size() + 1);
    unlink(unfinished.c_str()); // a killed daemon's
    UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    // The mode is right from the first moment: fchmod() before bind() sets what bind() creates.
    if (!fd || fchmod(fd.get(), 0600) != 0 || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        chmod(unfinished.c_str(), 0600) != 0 || listen(fd.get(), 16) != 0 || rename(unfinished.c_str(), path.c_str()) != 0)
        throw Failure{ExitCode::Internal, path + ": " + strerror(errno)};
    return fd;
}

// As recv(); of the descriptors that came along the last one is taken.
ssize_t receive_from(int socket, std::span<char> bytes, UniqueFd& passed)
{
    iovec text{bytes.data(), bytes.size()};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = ancillary;
    message.msg_controllen = CMSG_LEN(sizeof(int)); // one: the kernel keeps the others
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    const cmsghdr* rights = count < 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int))) {
        int fd;
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        passed = UniqueFd{fd};
    }
    return count;
}

void check_dump_file(const UniqueFd& file)
{
    struct stat status;
    bool good = file && fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) && (fcntl(file.get(), F_GETFL) & O_ACCMODE) != O_RDONLY;
    if (!good)
        throw Failure{ExitCode::ControlSocket, "dump: a file that is open for writing is to come along with the request"};
}

UniqueFd make_spare() { return UniqueFd{open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

} // namespace

ControlServer::ControlServer(const std::string& socket_path, ControlTarget& target)
    : target_{target}, listener_{listen_at(socket_path)}, spare_{make_spare()}
{
    loop_.watch(listener_.get(), POLLIN, [this] { accept_one(); });
}

ControlServer::~ControlServer()
{
    pause();
    loop_.stop();
}

void ControlServer::pause()
{
    std::thread dumping;
    loop_.call([&] {
        paused_ = true;
        loop_.unwatch(listener_.get());
        for (const Connection& connection : connections_)
            loop_.unwatch(connection.fd.get());
        if (dump_) {
            dump_->cancelled = true;
            dumping = std::move(dump_->thread);
        }
    });
    if (dumping.joinable())
        dumping.join();
}

void ControlServer::finish(const GuestEnd& end)
{
    loop_.call([&] {
        nlohmann::json fields = end_fields(end);
        fields["ended"] = true;
        std::string text = answer(fields);
        while (!connections_.empty()) {
            Handle connection = connections_.begin();
            if (!connection->waits || send(connection, text))
                drop(connection);
        }
    });
    loop_.stop();
}

void ControlServer::accept_one()
{
    UniqueFd fd = accept();
    if (!fd && is_descriptor_shortage(errno) && spare_) {
        spare_.reset();
        fd = accept();
    }
    if (!fd && is_descriptor_shortage(errno))
        return rest();
    if (!fd || connections_.size() >= kMaximumConnections)
        return;
    connections_.emplace_front();
    connections_.front().fd = std::move(fd);
    watch(connections_.begin());
}

UniqueFd ControlServer::accept()
{
    return UniqueFd{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
}

// Who waits there would wake us at once, again and again.
void ControlServer::rest()
{
    loop_.unwatch(listener_.get());
    loop_.after(kRest, [this] {
        if (!paused_)
            loop_.watch(listener_.get(), POLLIN, [this] { accept_one(); });
    });
}

void ControlServer::watch(Handle connection)
{
    short events = connection->output.empty() ? POLLIN : POLLOUT;
    int fd = connection->fd.get();
    loop_.unwatch(fd);
    loop_.watch(fd, events, [this, connection] { ready(connection); });
}

void ControlServer::ready(Handle connection)
{
    bool wrote = !connection->output.empty();
    if (wrote) {
        if (!send(connection, ""))
            return;
        if (!connection->output.empty())
            return;
        if (connection->closing)
            return drop(connection);
        if (handle_lines(connection)) // what came while we were writing
            watch(connection);
        return;
    }
    if (receive(connection) && !connection->output.empty())
        watch(connection);
}

bool ControlServer::receive(Handle connection)
{
    char bytes[kMaximumRequestBytes];
    ssize_t count = receive_from(connection->fd.get(), bytes, connection->passed);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (count <= 0) {
        drop(connection);
        return false;
    }
    try {
        connection->input.add({bytes, static_cast<std::size_t>(count)});
    } catch (const Failure& failure) {
        if (send(connection, answer(failure)))
            drop(connection);
        return false;
    }
    return handle_lines(connection);
}

bool ControlServer::handle_lines(Handle connection)
{
    while (connection->output.empty() && !connection->dumps) {
        std::optional<std::string> line = connection->input.next();
        if (!line)
            return true;
        if (!handle(connection, *line))
            return false;
    }
    return true;
}

bool ControlServer::handle(Handle connection, const std::string& line)
{
    try {
        ControlRequest request = parse_request(line);
        switch (request.call) {
        case Call::Status:
            return send(connection, answer(target_.status()));
        case Call::Stats:
            return send(connection, answer(target_.stats()));
        case Call::Memory:
            return send(connection, answer(target_.memory(request.memory_bytes)));
        case Call::Report:
            return send(connection, answer(target_.report()));
        case Call::Dump:
            start_dump(connection);
            return true;
        case Call::Stop:
            target_.stop(request.patience);
            return send(connection, answer());
        case Call::Kill:
            target_.kill();
            return send(connection, answer());
        case Call::Resize:
            target_.resize(request.rows, request.columns);
            return send(connection, answer());
        case Call::Wait:
            connection->waits = true;
            return true;
        case Call::Logs:
            return send_logs(connection, request);
        case Call::Console:
            return hand_over_console(connection);
        case Call::Connect:
            return connect_port(connection, request.port);
        }
    } catch (const Failure& failure) {
        return send(connection, answer(failure));
    } catch (const std::exception& error) {
        return send(connection, answer(Failure{ExitCode::Internal, error.what()})); // the guest does not die of a question
    }
    return true;
}

void ControlServer::start_dump(Handle connection)
{
    UniqueFd file = std::move(connection->passed);
    if (dump_)
        throw Failure{ExitCode::DumpFailed, "another dump of this guest is being written"};
    check_dump_file(file);
    connection->dumps = true;
    Dump& job = dump_.emplace();
    job.thread = std::thread{[this, &job, file = std::move(file)] {
        auto progress = [&](std::uint64_t done, std::uint64_t total) {
            if (!job.telling.exchange(true)) // one at a time: a fast dump must not flood the loop
                loop_.post([=, this, &job] {
                    job.telling = false;
                    tell_dumper(answer({{"event", "progress"}, {"bytes", done}, {"total", total}}));
                });
            return !job.cancelled;
        };
        std::string text = answer();
        try {
            target_.dump(file.get(), progress);
        } catch (const Failure& failure) {
            text = answer(failure);
        } catch (const std::exception& error) {
            text = answer(Failure{ExitCode::Internal, error.what()});
        }
        loop_.post([this, text] { finish_dump(text); });
    }};
}

void ControlServer::tell_dumper(const std::string& text)
{
    auto dumper = std::ranges::find(connections_, true, &Connection::dumps);
    if (!paused_ && dumper != connections_.end() && dumper->output.empty() && send(dumper, text) && !dumper->output.empty())
        watch(dumper);
}

void ControlServer::finish_dump(const std::string& text)
{
    if (dump_->thread.joinable())
        dump_->thread.join();
    dump_.reset();
    auto dumper = std::ranges::find(connections_, true, &Connection::dumps);
    if (paused_ || dumper == connections_.end() || !send(dumper, text))
        return;
    dumper->dumps = false;
    if (handle_lines(dumper)) // what came meanwhile
        watch(dumper);
}

bool ControlServer::hand_over_console(Handle connection)
{
    if (!send(connection, answer()))
        return false;
    UniqueFd fd = std::move(connection->fd);
    std::string typed = connection->input.take_rest();
    loop_.unwatch(fd.get());
    connections_.erase(connection);
    target_.attach_console(std::move(fd), typed);
    return false;
}

bool ControlServer::connect_port(Handle connection, std::uint32_t port)
{
    loop_.unwatch(connection->fd.get()); // before another thread has it, which may close it
    try {
        target_.connect_port(connection->fd, port, connection->input.take_rest());
    } catch (...) {
        watch(connection);
        throw;
    }
    connections_.erase(connection);
    return false;
}

bool ControlServer::send_logs(Handle connection, const ControlRequest& request)
{
    if (request.follow) {
        if (!send(connection, answer()))
            return false;
        UniqueFd fd = std::move(connection->fd);
        loop_.unwatch(fd.get());
        connections_.erase(connection);
        target_.follow_logs(std::move(fd), request.lines);
        return false;
    }
    std::string all = target_.logs();
    std::string_view text = last_lines(all, request.lines);
    connection->closing = true;
    if (!send(connection, answer({{"bytes", text.size()}}) + std::string{text}))
        return false;
    if (!connection->output.empty())
        return true;
    drop(connection);
    return false;
}

bool ControlServer::send(Handle connection, std::string_view text)
{
    connection->output += text;
    ssize_t count =
        ::send(connection->fd.get(), connection->output.data(), connection->output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        drop(connection);
        return false;
    }
    connection->output.erase(0, count < 0 ? 0 : static_cast<std::size_t>(count));
    return true;
}

void ControlServer::drop(Handle connection)
{
    if (connection->dumps && dump_)
        dump_->cancelled = true;
    loop_.unwatch(connection->fd.get());
    connections_.erase(connection);
    if (!spare_)
        spare_ = make_spare();
}

} // namespace colinux
