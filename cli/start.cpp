// SPDX-License-Identifier: GPL-2.0
// `colinux start` and `restart`: guests that are written down.
#include "cli/commands.hpp"
#include "cli/definition_store.hpp"
#include "cli/guest_commands.hpp"
#include "cli/run.hpp"
#include "cli/service_notifier.hpp"
#include "control/protocol.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>
#include <optional>

namespace colinux {

namespace {

struct StartOptions {
    std::vector<std::string> names;
    std::string name;
    bool attach{}, foreground{}, autostart{};
    unsigned timeout{kStopPatience.count()};
};

int start(const GuestDefinition& definition, bool attach)
{
    const std::string& name = definition.machine.name;
    if (RunDirectory{}.is_taken(name))
        throw Failure{ExitCode::NameTaken, "guest " + name + " runs already; look at it: colinux console " + name};
    RunMode mode;
    mode.detach = !attach;
    return run_guest(definition.machine, mode);
}

// As the process of a service: docs/service.md.
int serve(const GuestDefinition& definition)
{
    ServiceNotifier manager;
    const std::string& name = definition.machine.name;
    if (RunDirectory{}.is_taken(name))
        throw Failure{ExitCode::NameTaken, "guest " + name + " runs already, and not as this service: colinux stop " + name};
    std::optional<Heartbeat> heartbeat;
    RunMode mode;
    mode.console = false;
    mode.on_progress = [&](const std::string& text) { manager.status(text); };
    mode.on_ready = [&](const DaemonProcess::Ready& ready) {
        manager.ready("runs; console: colinux console " + name + "; colinuxd is process " + std::to_string(ready.pid));
        if (manager.watchdog().count() == 0)
            return;
        heartbeat.emplace(manager.watchdog() / 3, [&] {
            if (nlohmann::json status = guest_status(name); !status.is_null() && status["state"] != "not answering")
                manager.alive();
        });
    };
    mode.on_stop = [&] { manager.stopping("asked to shut down"); };
    try {
        return run_guest(definition.machine, mode);
    } catch (const Failure& failure) {
        manager.status(failure.what());
        throw;
    }
}

// Those to start at boot that do not run yet; one that cannot be read is told of.
std::vector<std::string> automatic(const DefinitionStore& store, int& exit_code)
{
    std::vector<std::string> names;
    for (const std::string& name : store.names())
        try {
            if (store.load(name).autostart && !RunDirectory{}.is_taken(name))
                names.push_back(name);
        } catch (const Failure& failure) {
            std::cerr << "colinux: " << failure.what() << "\n";
            exit_code = static_cast<int>(failure.code());
        }
    return names;
}

int start_all(StartOptions options)
{
    DefinitionStore store;
    int exit_code = 0;
    if (options.autostart)
        options.names = automatic(store, exit_code);
    else if (options.names.empty())
        throw Failure{ExitCode::Usage, "which guest? (colinux start NAME, or --autostart)"};
    if (options.foreground && options.names.size() == 1)
        return serve(store.load(options.names[0]));
    if (options.names.size() == 1 && !options.autostart)
        return start(store.load(options.names[0]), options.attach);
    if (options.attach || options.foreground)
        throw Failure{ExitCode::Usage, "--attach and --foreground are for one guest"};
    for (const std::string& name : options.names)
        try {
            start(store.load(name), false);
        } catch (const Failure& failure) {
            if (failure.code() == ExitCode::GuestKilled)
                throw; // interrupted
            std::cerr << "colinux: " << name << ": " << failure.what() << "\n";
            exit_code = exit_code ? exit_code : static_cast<int>(failure.code());
        }
    return exit_code;
}

int restart(const StartOptions& options)
{
    GuestDefinition definition = DefinitionStore{}.load(options.name); // with a mistake in it the guest runs on
    if (RunDirectory{}.is_taken(options.name))
        stop_guest(options.name, options.timeout);
    return start(definition, options.attach);
}

} // namespace

void add_start(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<StartOptions>();
    CLI::App* start_command = app.add_subcommand("start", "Start guests that are written down");
    start_command->footer("\nReturns when they run. Of several each is tried.\n\nExamples:\n  colinux start web\n  colinux start web --attach\n"
                          "  colinux start --autostart");
    CLI::Option* names = start_command->add_option("NAME", options->names, "the guests' names (see: colinux ls)");
    CLI::Option* attach = start_command->add_flag("--attach", options->attach, "stay at its console, as `run` does");
    start_command->add_flag("--foreground", options->foreground, "stay, without its console, until it has ended: for service managers (sd_notify)")->excludes(attach);
    start_command->add_flag("--autostart", options->autostart, "all that have autostart = true and do not run")->excludes(names);
    start_command->callback([options, &exit_code] { exit_code = start_all(*options); });

    CLI::App* restart_command = app.add_subcommand("restart", "Stop a guest in order and start it again");
    restart_command->footer("\nOne that does not run is started.\n\nExample:\n  colinux restart web");
    restart_command->add_option("NAME", options->name, "the guest's name")->required();
    restart_command->add_flag("--attach", options->attach, "stay at its console");
    restart_command->add_option("--timeout", options->timeout, "seconds that it has to shut down")->capture_default_str()->check(CLI::Range(1u, 86400u));
    restart_command->callback([options, &exit_code] { exit_code = restart(*options); });
}

} // namespace colinux
