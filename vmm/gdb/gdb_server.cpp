// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/gdb_server.hpp"

#include "control/failure.hpp"
#include "vmm/sys/linux/loopback_tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace colinux {

namespace {

constexpr long kStepSeconds = 1;
constexpr timeval kSendLimit{5, 0}; // a gdb that does not read is gone

void set_timer(int timer, long seconds)
{
    itimerspec when{};
    when.it_value.tv_sec = seconds;
    timerfd_settime(timer, 0, &when, nullptr);
}

} // namespace

UniqueFd listen_for_gdb(std::uint16_t port)
{
    try {
        return listen_on_loopback(port);
    } catch (const std::system_error& error) {
        std::string place = "gdb port " + std::to_string(port) + " of 127.0.0.1";
        if (error.code().value() == EADDRINUSE)
            throw Failure{ExitCode::PortTaken, place + " is taken: give --gdb another one"};
        throw Failure{ExitCode::Usage, place + ": " + error.code().message()};
    }
}

GdbServer::GdbServer(int listener, DebugTarget& target, Log log)
    : listener_{listener}, target_{target}, log_{std::move(log)}, timer_{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)}
{
    if (!timer_)
        throw std::system_error{errno, std::generic_category(), "timerfd_create"};
    loop_.on_error([this](const std::exception& error) {
        log_(std::string{"gdb: "} + error.what());
        close();
    });
    loop_.watch(listener_, POLLIN, [this] { connected(); });
    loop_.watch(timer_.get(), POLLIN, [this] {
        std::uint64_t count;
        if (read(timer_.get(), &count, sizeof count) > 0 && session_)
            session_->let_others_go();
    });
}

GdbServer::~GdbServer()
{
    loop_.stop();
    session_.reset();
}

void GdbServer::start() { loop_.start(); }

void GdbServer::look()
{
    loop_.post([this] {
        if (session_)
            session_->look();
        check();
    });
}

void GdbServer::guest_ended(int code)
{
    loop_.call([this, code] {
        loop_.unwatch(listener_);
        if (session_)
            session_->guest_ended(code);
        check();
    });
}

void GdbServer::connected()
{
    UniqueFd connection{accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)};
    if (!connection || session_)
        return; // one is enough: the newcomer is hung up on
    std::optional<uid_t> user = peer_of(connection.get());
    if (user != geteuid()) {
        log_("gdb: a connection of " + (user ? "user " + std::to_string(*user) : std::string{"nobody known"}) + " was refused");
        return;
    }
    int on = 1;
    setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendLimit, sizeof kSendLimit);
    connection_ = std::move(connection);
    session_ = std::make_unique<GdbSession>(target_, [this](const std::string& text) { send(text); });
    attached_ = true;
    loop_.watch(connection_.get(), POLLIN, [this] { readable(); });
}

void GdbServer::readable()
{
    char bytes[4096];
    ssize_t count = recv(connection_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0)
        return close();
    session_->received({bytes, static_cast<std::size_t>(count)});
    check();
}

void GdbServer::check()
{
    if (session_ && session_->over())
        return close();
    set_timer(timer_.get(), session_ && session_->steps_alone() ? kStepSeconds : 0);
}

void GdbServer::close()
{
    if (!session_)
        return;
    loop_.unwatch(connection_.get());
    session_.reset();
    connection_.reset();
    attached_ = false;
    set_timer(timer_.get(), 0);
}

void GdbServer::send(const std::string& text)
{
    for (std::string_view rest = text; !rest.empty();) {
        ssize_t count = ::send(connection_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count <= 0)
            return; // gone: the next read says so
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
}

} // namespace colinux
