// SPDX-License-Identifier: GPL-2.0
#include "cli/daemon_process.hpp"

#include "cli/installation.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace colinux {

using nlohmann::json;

namespace {

UniqueFd in_memory_file(const std::string& text)
{
    UniqueFd fd{memfd_create("colinux-config", 0)}; // inherited
    if (!fd || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        lseek(fd.get(), 0, SEEK_SET) != 0)
        throw Failure{ExitCode::Internal, std::string{"configuration file: "} + strerror(errno)};
    return fd;
}

std::string text_in(const json& event, const char* key) { return event.value(key, std::string{}); }

} // namespace

DaemonProcess::DaemonProcess(const MachineConfig& config, StopSignals& stop) : stop_{stop}
{
    std::string program = find_daemon();
    UniqueFd config_file = in_memory_file(config_to_json(config));
    int ends[2];
    if (pipe(ends) != 0)
        throw Failure{ExitCode::Internal, "no file descriptor left"};
    report_ = UniqueFd{ends[0]};
    UniqueFd writer{ends[1]};
    fcntl(report_.get(), F_SETFD, FD_CLOEXEC);

    std::string config_number = std::to_string(config_file.get()), report_number = std::to_string(writer.get());
    pid_ = fork();
    if (pid_ < 0)
        throw Failure{ExitCode::Internal, std::string{"fork: "} + strerror(errno)};
    if (pid_ == 0) {
        setsid();
        execl(program.c_str(), "colinuxd", "--config-fd", config_number.c_str(), "--report-fd", report_number.c_str(), nullptr);
        _exit(127);
    }
}

DaemonProcess::Ready DaemonProcess::wait_until_ready(const std::function<void(const std::string&)>& progress)
{
    for (std::string line; !(line = next_line([this] { give_up_start(); })).empty();) {
        json event = json::parse(line);
        std::string kind = text_in(event, "event");
        if (kind == "progress")
            progress(text_in(event, "text"));
        if (kind == "ready" && stop_.take() != 0)
            give_up_start();
        if (kind == "ready" && requests_ == 0) // else it is being killed
            return {text_in(event, "name"), pid_};
        if (kind == "error") {
            reap();
            throw Failure{static_cast<ExitCode>(event.value("code", 99)), text_in(event, "message")};
        }
    }
    int status = reap();
    if (requests_ != 0)
        StopSignals::interrupted();
    if (status == 128 + SIGKILL)
        throw Failure{ExitCode::GuestKilled, "colinuxd was killed before the guest ran"};
    throw Failure{ExitCode::Internal, "colinuxd ended without a word, status " + std::to_string(status)};
}

GuestEnd DaemonProcess::wait_until_ended(const std::function<void()>& restarted, const std::function<void()>& stopping)
{
    auto signalled = [&] {
        if (stopping)
            stopping();
        ask_to_end();
    };
    GuestEnd end{ExitCode::GuestKilled, "colinuxd was killed"};
    for (std::string line; !(line = next_line(signalled)).empty();) {
        json event = json::parse(line);
        if (text_in(event, "event") == "restarted")
            restarted();
        if (text_in(event, "event") == "ended")
            end = {static_cast<ExitCode>(event.value("code", 99)), text_in(event, "reason"), text_in(event, "report"),
                   text_in(event, "dump")};
    }
    reap();
    return end;
}

void DaemonProcess::give_up_start()
{
    if (is_new_request())
        kill(pid_, requests_ == 1 ? SIGINT : SIGKILL); // the driver takes everything back
}

void DaemonProcess::ask_to_end()
{
    if (is_new_request())
        kill(pid_, requests_ == 1 ? SIGTERM : SIGINT);
}

void DaemonProcess::end_now()
{
    requests_ = 2;
    last_request_ = std::chrono::steady_clock::now();
    kill(pid_, SIGINT);
}

bool DaemonProcess::is_new_request()
{
    auto now = std::chrono::steady_clock::now();
    if (requests_ != 0 && now - last_request_ < std::chrono::seconds{1})
        return false;
    last_request_ = now;
    requests_++;
    return true;
}

std::string DaemonProcess::next_line(const std::function<void()>& signalled)
{
    for (;;) {
        std::size_t newline = received_.find('\n');
        if (newline != std::string::npos) {
            std::string line = received_.substr(0, newline);
            received_.erase(0, newline + 1);
            return line;
        }
        pollfd waits[2] = {{report_.get(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents && stop_.take() != 0)
            signalled();
        if (!waits[0].revents)
            continue;
        char bytes[4096];
        ssize_t count = read(report_.get(), bytes, sizeof bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return "";
        received_.append(bytes, static_cast<std::size_t>(count));
    }
}

int DaemonProcess::reap()
{
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace colinux
