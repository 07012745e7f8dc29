// SPDX-License-Identifier: GPL-2.0
// Subcommands that speak with guests that run: ps, console, stop, kill.
#include "cli/commands.hpp"
#include "cli/console_session.hpp"
#include "cli/control_client.hpp"
#include "cli/guest_commands.hpp"
#include "control/config_text.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <string_view>
#include <thread>

namespace colinux {

using nlohmann::json;

namespace {

struct GuestOptions {
    std::string name;
    bool no_wait{};
    unsigned timeout{kStopPatience.count()}; // seconds, of stop
};

CLI::App* add_guest_command(CLI::App& app, const char* name, const char* what, std::shared_ptr<GuestOptions> options)
{
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    return command;
}

constexpr std::chrono::seconds kPatienceForEach{5};

// With "state": running, starting, ending, not answering; of the others there are only name and pid. Null: gone since we looked.
json status_of(const std::string& name)
{
    json status{{"name", name}, {"pid", RunDirectory{}.pid_of_daemon(name)}, {"state", "not answering"}};
    try {
        status = ControlClient{name, kPatienceForEach}.call("status");
        status["state"] = "running";
    } catch (const NotAnswering&) {
    } catch (const Failure& failure) {
        status["state"] = failure.code() == ExitCode::NameUnknown ? "starting" : "ending";
    }
    return status["pid"] == 0 ? json{} : status;
}

std::vector<json> all_statuses()
{
    std::vector<std::future<json>> asked; // all at once: those that do not answer cost one time-out together
    for (const std::string& name : RunDirectory{}.names())
        asked.push_back(std::async(std::launch::async, status_of, name));
    std::vector<json> statuses;
    for (std::future<json>& status : asked)
        if (json fields = status.get(); !fields.is_null())
            statuses.push_back(std::move(fields));
    return statuses;
}

void print_table(const std::vector<json>& statuses)
{
    printf("%-16s %7s %4s %8s %10s  %s\n", "NAME", "PID", "CPUS", "MEMORY", "UP", "KERNEL");
    for (const json& status : statuses) {
        std::string state = status["state"], name = status.value("name", "");
        if (state != "running")
            printf("%-16s %7d %4s %8s %10s  (%s)\n", name.c_str(), status.value("pid", 0), "-", "-", "-", state.c_str());
        else
            printf("%-16s %7d %4d %8s %8llu s  %s\n", name.c_str(), status.value("pid", 0), status.value("vcpus", 0),
                   size_text(status.value("memory_bytes", std::uint64_t{0})).c_str(),
                   static_cast<unsigned long long>(status.value("up_seconds", std::uint64_t{0})), status.value("release", "").c_str());
    }
}

[[noreturn]] void not_stopped(const GuestOptions& options)
{
    throw Failure{ExitCode::StopIgnored, "guest " + options.name + " has not shut down within " + std::to_string(options.timeout) +
                                             " s; look at it: colinux console " + options.name + ", wait longer: --timeout, or end it: colinux kill " +
                                             options.name};
}

// Without its answer: that of one that starts, or is stuck. The driver takes everything back.
int end_by_signal(const GuestOptions& options, int signal)
{
    RunDirectory directory;
    bool sent = directory.signal_daemon(options.name, signal);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds{options.timeout};
    while (sent && !options.no_wait && directory.is_taken(options.name)) {
        if (signal == SIGTERM && std::chrono::steady_clock::now() > end)
            not_stopped(options);
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    std::cout << options.name << ": killed\n";
    return 0;
}

int end_guest(const GuestOptions& options, const char* call)
{
    bool at_once = std::string_view{call} == "kill", asked = false;
    try {
        ControlClient client{options.name, at_once ? kPatienceForEach : ControlClient::kPatience};
        if (!options.no_wait)
            client.announce_wait();
        client.call(at_once ? json{{"call", call}} : json{{"call", call}, {"seconds", options.timeout}});
        if (options.no_wait)
            return 0;
        asked = !at_once;
        json end = client.wait_for_end(std::chrono::seconds{at_once ? 0 : options.timeout});
        RunDirectory{}.names(); // clears away what a daemon of another user may not
        std::cout << options.name << ": " << end.value("reason", std::string{"has ended"}) << "\n";
        return 0;
    } catch (const NotAnswering&) {
        if (asked)
            not_stopped(options);
        if (!at_once)
            throw;
        return end_by_signal(options, SIGKILL);
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::NameUnknown || !RunDirectory{}.is_taken(options.name))
            throw;
        return end_by_signal(options, at_once ? SIGINT : SIGTERM); // it starts
    }
}

std::string how_it_ended(ControlClient& waits)
{
    try {
        return waits.wait_for_end(std::chrono::minutes{1}).value("reason", std::string{"its daemon was killed"});
    } catch (const NotAnswering&) {
        return "its daemon has not given its memory back yet";
    }
}

} // namespace

json guest_status(const std::string& name) { return status_of(name); }

void stop_guest(const std::string& name, unsigned seconds)
{
    GuestOptions options;
    options.name = name;
    options.timeout = seconds;
    end_guest(options, "stop");
}

void add_ps(CLI::App& app, int& exit_code)
{
    auto as_json = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("ps", "List running guests");
    command->footer("\nExamples:\n  colinux ps\n  colinux ps --json");
    command->add_flag("--json", *as_json, "as one JSON array");
    command->callback([as_json, &exit_code] {
        std::vector<json> statuses = all_statuses();
        if (*as_json)
            std::cout << json(statuses).dump(2) << "\n";
        else
            print_table(statuses);
        exit_code = 0;
    });
}

void add_console(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<GuestOptions>();
    CLI::App* command = add_guest_command(app, "console", "Connect this terminal to a guest's console", options);
    command->footer("\nShows first what was missed since the last console was left. Ctrl-] leaves again.\n\nExample:\n "
                    " colinux console guest1");
    command->callback([options, &exit_code] {
        StopSignals stop;
        ConsoleSession console{options->name, stop};
        ControlClient end{options->name};
        end.announce_wait();
        if (console.run() == ConsoleSession::Outcome::Detached)
            std::cerr << "\ncolinux: left the console of " << options->name << ", which runs on; return with: colinux console " << options->name << "\n";
        else
            std::cerr << "\ncolinux: guest " + options->name + " has ended: " + how_it_ended(end) + "\n"; // in one piece: others may write, too
        exit_code = 0;
    });
}

void add_stop_and_kill(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<GuestOptions>();
    CLI::App* stop = add_guest_command(app, "stop", "Ask a guest to shut down in order, and wait until it has", options);
    stop->footer("\nThe guest does what it does when its power button is pressed; it is pressed again until the guest "
                 "has ended or the time is over (exit code 65; it runs on). One that does not listen: colinux kill.\n\nExamples:\n"
                 "  colinux stop guest1\n  colinux stop guest1 --timeout 600");
    stop->add_option("--timeout", options->timeout, "seconds that it has")->capture_default_str()->check(CLI::Range(1u, 86400u));
    stop->add_flag("--no-wait", options->no_wait, "return at once");
    stop->callback([options, &exit_code] { exit_code = end_guest(*options, "stop"); });

    CLI::App* kill = add_guest_command(app, "kill", "End a guest at once", options);
    kill->footer("\nAs if its power cord were pulled: what it had not written to its disks is lost.\n\nExample:\n  "
                 "colinux kill guest1");
    kill->callback([options, &exit_code] { exit_code = end_guest(*options, "kill"); });
}

} // namespace colinux
