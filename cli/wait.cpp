// SPDX-License-Identifier: GPL-2.0
// `colinux wait`: until a guest has ended, and how it did.
#include "cli/commands.hpp"

#include "cli/control_client.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>

namespace colinux {

namespace {

struct WaitOptions {
    std::string name;
    bool json{};
    unsigned timeout{};
};

int wait_for_guest(const WaitOptions& options)
{
    ControlClient client{options.name};
    client.announce_wait();
    nlohmann::json end;
    try {
        end = client.wait_for_end(std::chrono::seconds{options.timeout});
    } catch (const NotAnswering&) {
        throw Failure{ExitCode::StopIgnored, "guest " + options.name + " runs on after " + std::to_string(options.timeout) + " s"};
    }
    end.erase("ok");
    if (!end.contains("code"))
        end = {{"code", static_cast<int>(ExitCode::GuestKilled)}, {"reason", "its daemon was killed"}};
    if (options.json)
        std::cout << end.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    else
        std::cout << options.name << ": " << end.value("reason", "") << "\n";
    return end.value("code", static_cast<int>(ExitCode::Internal));
}

} // namespace

void add_wait(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<WaitOptions>();
    CLI::App* command = app.add_subcommand("wait", "Wait until a guest has ended; the exit code is that of `run`");
    command->footer("\nExamples:\n  colinux wait web\n  colinux wait web --timeout 600 --json");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    command->add_option("--timeout", options->timeout, "seconds; then exit code 65, and the guest runs on (default: none)")->check(CLI::Range(1u, 8640000u));
    command->add_flag("--json", options->json, "as one JSON object");
    command->callback([options, &exit_code] { exit_code = wait_for_guest(*options); });
}

} // namespace colinux
