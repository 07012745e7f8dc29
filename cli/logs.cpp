// SPDX-License-Identifier: GPL-2.0
// `colinux logs`: what a guest has written to its console, from its daemon while it runs, from the file when it has ended.
#include "cli/commands.hpp"
#include "cli/control_client.hpp"
#include "cli/logs.hpp"
#include "control/config_text.hpp"
#include "control/last_lines.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

namespace colinux {

namespace {

struct LogOptions {
    std::string name, tail{"all"};
    bool follow{}, previous{};
};

std::uint64_t parse_tail(const std::string& text)
{
    std::uint64_t lines = kAllLines;
    if (text == "all")
        return lines;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lines);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Failure{ExitCode::Usage, "tail '" + text + "': expected a number of lines, or all"};
    return lines;
}

// False when nobody reads any more.
bool print(std::string_view text)
{
    while (!text.empty()) {
        ssize_t count = write(STDOUT_FILENO, text.data(), text.size());
        if (count < 0 && errno == EAGAIN) {
            pollfd out{STDOUT_FILENO, POLLOUT, 0};
            poll(&out, 1, -1);
        } else if (count < 0 && errno == EPIPE) {
            return false;
        } else if (count < 0 && errno != EINTR) {
            throw Failure{ExitCode::Usage, std::string{"standard output: "} + strerror(errno)};
        }
        text.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return true;
}

std::string read_log(const std::string& path, const std::string& complaint)
{
    std::ifstream file{path, std::ios::binary};
    if (!file && errno == EACCES)
        throw Failure{ExitCode::NotRoot, path + " may be read by root only: run this as root"};
    if (!file)
        throw Failure{ExitCode::NameUnknown, complaint};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Until the guest ends or nobody reads.
void follow(ControlClient& client, std::uint64_t lines)
{
    client.call({{"call", "logs"}, {"follow", true}, {"tail", lines}});
    std::string text;
    UniqueFd stream = client.take_connection(text);
    while (print(text)) {
        pollfd ends[2] = {{stream.get(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}}; // the reader may go while the guest is silent
        if (poll(ends, 2, -1) < 0)
            continue;
        if (ends[1].revents & POLLERR)
            return;
        text.resize(65536);
        ssize_t count = read(stream.get(), text.data(), text.size());
        if (count == 0 || (count < 0 && errno != EINTR))
            return;
        text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
}

// False when no guest of that name runs, or its last answer was that it has ended.
bool print_of_running_guest(const LogOptions& options, std::uint64_t lines)
{
    try {
        ControlClient client{options.name};
        if (options.follow) {
            follow(client, lines);
        } else {
            std::size_t bytes = client.call({{"call", "logs"}, {"tail", lines}}).value("bytes", std::size_t{0});
            print(client.read_bytes(bytes));
        }
        return true;
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::NameUnknown && failure.code() != ExitCode::ControlSocket)
            throw;
        return false;
    }
}

void print_of_ended_guest(const RunDirectory& directory, const std::string& name, std::uint64_t lines)
{
    std::string text = read_log(directory.log_path(name), "no guest named '" + name + "' is running, and none has left a log");
    print(last_lines(text, lines));
}

int logs(const LogOptions& options)
{
    check_name(options.name);
    std::uint64_t lines = parse_tail(options.tail);
    RunDirectory directory;
    if (options.previous) {
        std::string text = read_log(directory.previous_log_path(options.name),
                                    "no guest named '" + options.name + "' before the last one has left a log");
        print(last_lines(text, lines));
    } else {
        while (!print_of_running_guest(options, lines))
            if (!directory.is_taken(options.name))
                return print_of_ended_guest(directory, options.name, lines), 0;
            else
                std::this_thread::sleep_for(std::chrono::milliseconds{50}); // it starts, or has just ended
    }
    return 0;
}

} // namespace

void follow_log(const std::string& name) noexcept
{
    try {
        ControlClient client{name};
        follow(client, kAllLines);
    } catch (const std::exception&) {
        // it has ended: whoever started it says how
    }
}

void add_logs(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<LogOptions>();
    CLI::App* command = app.add_subcommand("logs", "Print what a guest has written to its console");
    command->footer(R"(
Of more than about a MiB the beginning and the end are kept; a line between them says how much is left out.
A guest that has ended can be asked for, too, until the next one of that name has started; after that with --previous.

Examples:
  colinux logs guest1
  colinux logs --tail 20 -f guest1
  colinux logs -f guest1 | grep -m 1 login:)");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    CLI::Option* follow = command->add_flag("-f,--follow", options->follow, "go on until the guest ends");
    command->add_option("-n,--tail", options->tail, "only the last so many lines, or all")->capture_default_str();
    command->add_flag("--previous", options->previous, "of the guest of that name before the last one")->excludes(follow);
    command->callback([options, &exit_code] { exit_code = logs(*options); });
}

} // namespace colinux
