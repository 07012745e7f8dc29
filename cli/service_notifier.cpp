// SPDX-License-Identifier: GPL-2.0
#include "cli/service_notifier.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

namespace colinux {

namespace {

std::string taken_from_environment(const char* variable)
{
    const char* value = getenv(variable);
    std::string text = value ? value : "";
    unsetenv(variable);
    return text;
}

std::uint64_t number(std::string_view text)
{
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

// One line: a newline in what a daemon said would be the next assignment.
std::string line(const char* key, std::string value)
{
    for (char& c : value)
        if (static_cast<unsigned char>(c) < ' ')
            c = ' ';
    return std::string{key} + "=" + value + "\n";
}

} // namespace

ServiceNotifier::ServiceNotifier() : socket_path_{taken_from_environment("NOTIFY_SOCKET")}
{
    std::string period = taken_from_environment("WATCHDOG_USEC"), pid = taken_from_environment("WATCHDOG_PID");
    if (!socket_path_.empty() && (pid.empty() || number(pid) == static_cast<std::uint64_t>(getpid())))
        watchdog_ = std::chrono::microseconds{number(period)};
}

void ServiceNotifier::ready(const std::string& status) { send("READY=1\n" + line("STATUS", status)); }
void ServiceNotifier::stopping(const std::string& status) { send("STOPPING=1\n" + line("STATUS", status)); }
void ServiceNotifier::status(const std::string& status) { send(line("STATUS", status)); }
void ServiceNotifier::alive() { send("WATCHDOG=1\n"); }

void ServiceNotifier::send(const std::string& lines)
{
    std::lock_guard lock{mutex_};
    if (socket_path_.empty())
        return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    bool usable = (socket_path_[0] == '/' || socket_path_[0] == '@') && socket_path_.size() < sizeof address.sun_path;
    errno = EINVAL;
    if (usable) {
        memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
        if (socket_path_[0] == '@')
            address.sun_path[0] = '\0'; // an abstract one
        if (!socket_)
            socket_ = UniqueFd{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path_.size());
        if (sendto(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length) >= 0)
            return;
    }
    int error = errno;
    if (!std::exchange(complained_, true))
        std::cerr << "colinux: the service manager cannot be told anything: NOTIFY_SOCKET=" << socket_path_ << ": " << strerror(error) << "\n";
}

Heartbeat::Heartbeat(std::chrono::microseconds period, std::function<void()> beat)
    : thread_{[this, period, beat = std::move(beat)] {
          std::unique_lock lock{mutex_};
          while (!ended_) {
              lock.unlock();
              beat();
              lock.lock();
              ends_.wait_for(lock, period, [this] { return ended_; });
          }
      }}
{
}

Heartbeat::~Heartbeat()
{
    {
        std::lock_guard lock{mutex_};
        ended_ = true;
    }
    ends_.notify_all();
    thread_.join();
}

} // namespace colinux
