// SPDX-License-Identifier: GPL-2.0
// `colinux report`: what a guest does just now, or what is known about how it crashed.
#include "cli/commands.hpp"
#include "cli/control_client.hpp"
#include "cli/report_text.hpp"
#include "control/config_text.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <memory>

namespace colinux {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds kPatience{60}; // the guest's CPUs have to leave it, its symbols are decoded

struct Options {
    std::string name;
    bool json{}, previous{};
};

json read_report(const std::string& path, const std::string& complaint)
{
    std::ifstream file{path, std::ios::binary};
    if (!file && errno == EACCES)
        throw Failure{ExitCode::NotRoot, path + " may be read by root only: run this as root"};
    if (!file || file.peek() == std::ifstream::traits_type::eof()) // an empty one waits for a crash
        throw Failure{ExitCode::NameUnknown, complaint};
    json report = json::parse(file, nullptr, false);
    if (!report.is_object())
        throw Failure{ExitCode::Internal, path + " is no report"};
    return report;
}

json report_of_running_guest(const std::string& name)
{
    json report = ControlClient{name, kPatience}.call("report");
    report.erase("ok");
    return report;
}

json report_of(const Options& options)
{
    check_name(options.name);
    RunDirectory directory;
    if (options.previous)
        return read_report(directory.previous_report_path(options.name),
                           "no guest named '" + options.name + "' before the last one has left a report (only a crash does)");
    try {
        return report_of_running_guest(options.name);
    } catch (const NotAnswering&) {
        throw;
    } catch (const Failure& failure) { // there is none, or it has just ended
        bool ended = failure.code() == ExitCode::NameUnknown || failure.code() == ExitCode::ControlSocket;
        if (!ended || directory.is_taken(options.name))
            throw;
    }
    return read_report(directory.report_path(options.name),
                       "no guest named '" + options.name + "' is running, and the last one has left no report (only a crash does)");
}

} // namespace

void add_report(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("report", "Tell what a guest's CPUs are doing, or how it crashed");
    command->footer(R"(
For each CPU: its task, registers, and call trace with the names of the guest kernel's functions. The guest stands still
for a moment. One that has panicked, hung or faulted left its last report, which can be asked for until the next guest of
that name has started; after that with --previous.

Examples:
  colinux report guest1
  colinux report guest1 --json | jq '.cpus[0].trace')");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    command->add_flag("--json", options->json, "as one JSON object");
    command->add_flag("--previous", options->previous, "of the guest of that name before the last one");
    command->callback([options, &exit_code] {
        json report = report_of(*options);
        std::cout << (options->json ? report.dump(2, ' ', false, json::error_handler_t::replace) + "\n" : report_text(report));
        exit_code = 0;
    });
}

} // namespace colinux
