// SPDX-License-Identifier: GPL-2.0
#include "vmm/sys/linux/loopback_tcp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace colinux {

namespace {

constexpr unsigned kEstablished = 1; // TCP_ESTABLISHED

using NameFunction = int (*)(int, sockaddr*, socklen_t*);

sockaddr_in name_of(int socket, NameFunction function)
{
    sockaddr_in address{};
    socklen_t bytes = sizeof address;
    if (function(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0 || address.sin_family != AF_INET)
        return {};
    return address;
}

} // namespace

UniqueFd listen_on_loopback(std::uint16_t port)
{
    UniqueFd listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listener || setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener.get(), 1) != 0)
        throw std::system_error{errno, std::generic_category()};
    return listener;
}

// /proc/net/tcp: "sl local remote st tx:rx tr:when retransmits uid ...", addresses as the words that lie in memory, ports as
// numbers. A socket that is being closed is listed with user 0: only an established one tells whose it is.
std::optional<uid_t> peer_of(int connection)
{
    sockaddr_in here = name_of(connection, getsockname), there = name_of(connection, getpeername);
    std::unique_ptr<FILE, int (*)(FILE*)> table{fopen("/proc/net/tcp", "re"), fclose};
    if (!table || there.sin_port == 0)
        return std::nullopt;
    char line[512];
    while (fgets(line, sizeof line, table.get())) {
        unsigned local, local_port, remote, remote_port, state, uid;
        if (sscanf(line, " %*u: %x:%x %x:%x %x %*x:%*x %*x:%*x %*x %u", &local, &local_port, &remote, &remote_port, &state, &uid) == 6 &&
            state == kEstablished && local == there.sin_addr.s_addr && local_port == ntohs(there.sin_port) &&
            remote == here.sin_addr.s_addr && remote_port == ntohs(here.sin_port))
            return uid;
    }
    return std::nullopt;
}

} // namespace colinux
