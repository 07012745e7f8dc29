// SPDX-License-Identifier: GPL-2.0
#include "cli/control_client.hpp"

#include "cli/definition_store.hpp"
#include "control/config_text.hpp"
#include "control/run_directory.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace colinux {

namespace {

std::string known_names(const RunDirectory& directory)
{
    std::string list;
    for (const std::string& name : directory.names())
        list += (list.empty() ? "" : ", ") + name;
    return list.empty() ? "no guest is running" : "running: " + list;
}

} // namespace

NotAnswering::NotAnswering(const std::string& name)
    : Failure{ExitCode::ControlSocket, "guest " + name + " does not answer: its daemon is stopped or stuck; end it with: colinux kill " + name}
{
}

ControlClient::ControlClient(const std::string& name, std::chrono::milliseconds patience)
    : name_{name}, fd_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}
{
    check_name(name);
    set_patience(patience);
    RunDirectory directory;
    std::string path = directory.socket_path(name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Failure{ExitCode::ControlSocket, path + ": too long for a socket's name"};
    memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
        return;
    if (errno == EACCES)
        throw Failure{ExitCode::NotRoot, path + " may be used by root only: run this as root"};
    if (errno == EAGAIN)
        throw NotAnswering{name}; // so many wait already that no more may
    int error = errno;
    bool nobody = error == ENOENT || error == ECONNREFUSED;
    if (nobody && directory.is_taken(name))
        throw Failure{ExitCode::NameUnknown, "guest '" + name + "' is still starting"};
    if (nobody && DefinitionStore{}.contains(name))
        throw Failure{ExitCode::NameUnknown, "guest '" + name + "' does not run; start it: colinux start " + name};
    if (nobody)
        throw Failure{ExitCode::NameUnknown, "no guest named '" + name + "' (" + known_names(directory) + ")"};
    throw Failure{ExitCode::ControlSocket, path + ": " + strerror(error)};
}

nlohmann::json ControlClient::call(const nlohmann::json& request)
{
    send_line(request);
    return read_answer();
}

void ControlClient::set_patience(std::chrono::milliseconds patience)
{
    timeval limit{.tv_sec = patience.count() / 1000, .tv_usec = patience.count() % 1000 * 1000};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); // connect()'s, too
}

nlohmann::json ControlClient::wait_for_end(std::chrono::milliseconds patience)
{
    set_patience(patience);
    try {
        return read_answer();
    } catch (const NotAnswering&) {
        throw;
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::ControlSocket)
            throw;
        return nlohmann::json::object();
    }
}

void ControlClient::ask_with(int descriptor, const char* name) { send_line({{"call", name}}, descriptor); }

bool ControlClient::wait_for_answer(int or_this)
{
    if (received_.find('\n') != std::string::npos)
        return true;
    pollfd ends[2] = {{fd_.get(), POLLIN, 0}, {or_this, POLLIN, 0}};
    timeval limit{};
    socklen_t bytes = sizeof limit;
    getsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, &bytes);
    int left = limit.tv_sec == 0 && limit.tv_usec == 0 ? -1 : static_cast<int>(limit.tv_sec * 1000 + limit.tv_usec / 1000);
    int ready;
    while ((ready = poll(ends, 2, left)) < 0 && errno == EINTR) {
    }
    if (ready == 0)
        throw NotAnswering{name_};
    return !ends[1].revents;
}

void ControlClient::send_line(const nlohmann::json& request, int descriptor)
{
    std::string line = request.dump() + "\n";
    iovec text{line.data(), line.size()};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof descriptor)]{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = ancillary;
        message.msg_controllen = sizeof ancillary;
        cmsghdr* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    ssize_t sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        throw NotAnswering{name_};
    if (sent != static_cast<ssize_t>(line.size()))
        throw Failure{ExitCode::ControlSocket, "guest " + name_ + " has ended"};
}

nlohmann::json ControlClient::read_answer()
{
    std::size_t end;
    while ((end = received_.find('\n')) == std::string::npos)
        receive();
    std::string answer = received_.substr(0, end);
    received_.erase(0, end + 1);
    return parse_answer(answer);
}

std::string ControlClient::read_bytes(std::size_t count)
{
    while (received_.size() < count)
        receive();
    return std::exchange(received_, "").substr(0, count);
}

UniqueFd ControlClient::take_connection(std::string& already_read)
{
    already_read = std::move(received_);
    set_patience(std::chrono::milliseconds{0});
    return std::move(fd_);
}

void ControlClient::receive()
{
    char bytes[65536];
    ssize_t count = recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR)
        return;
    if (count < 0 && errno == EAGAIN)
        throw NotAnswering{name_};
    if (count <= 0)
        throw Failure{ExitCode::ControlSocket, "guest " + name_ + " has ended"};
    received_.append(bytes, static_cast<std::size_t>(count));
}

} // namespace colinux
