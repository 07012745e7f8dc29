// SPDX-License-Identifier: GPL-2.0
// `colinux stats`: a guest's counters, once, or what they grow by each second.
#include "cli/stats.hpp"

#include "cli/commands.hpp"
#include "cli/control_client.hpp"
#include "cli/daemon_memory.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

namespace colinux {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

json rates(const json& before, const json& now, double seconds)
{
    json grown = json::object();
    for (const auto& item : now.items()) {
        if (item.value().is_object()) {
            grown[item.key()] = rates(before.value(item.key(), json::object()), item.value(), seconds);
            std::erase_if(grown[item.key()].get_ref<json::object_t&>(), [](const auto& call) { return call.second == 0.0; });
        } else if (item.value().is_number() && !item.key().ends_with("_bytes")) {
            double events = item.value().get<double>() - before.value(item.key(), 0.0);
            grown[item.key()] = std::round(events / seconds * 10) / 10;
        }
    }
    return grown;
}

namespace {

struct StatsOptions {
    std::string name;
    bool json{};
    bool watch{};
};

json counters(const std::string& name)
{
    json stats = ControlClient{name}.call("stats");
    stats.erase("ok");
    if (auto bytes = own_bytes_of(RunDirectory{}.pid_of_daemon(name)))
        stats["daemon_bytes"] = *bytes;
    return stats;
}

void print(const json& stats, const std::string& indent = "")
{
    for (const auto& item : stats.items()) {
        if (item.value().is_object()) {
            std::cout << indent << item.key() << ":\n";
            print(item.value(), indent + "  ");
        } else {
            std::cout << indent << item.key() << ": " << item.value() << "\n";
        }
    }
}

void print_line(const json& grown)
{
    std::cout << grown["switches"] << " switches/s";
    for (const auto& call : grown["calls"].items())
        std::cout << "  " << call.key() << " " << call.value();
    std::cout << std::endl;
}

// A line each second, until the guest ends.
void watch(const StatsOptions& options)
{
    json before = counters(options.name);
    auto then = Clock::now();
    for (;;) {
        std::this_thread::sleep_for(std::chrono::seconds{1});
        json now;
        try {
            now = counters(options.name);
        } catch (const Failure& failure) {
            if (failure.code() != ExitCode::NameUnknown && failure.code() != ExitCode::ControlSocket) // in the middle of an answer
                throw;
            return;
        }
        auto moment = Clock::now();
        json grown = rates(before, now, std::chrono::duration<double>(moment - then).count());
        if (options.json)
            std::cout << grown.dump() << std::endl;
        else
            print_line(grown);
        before = std::move(now);
        then = moment;
    }
}

} // namespace

void add_stats(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<StatsOptions>();
    CLI::App* command = app.add_subcommand("stats", "Print a guest's counters: memory, world switches, calls, NMIs, filtered register writes");
    command->footer("\nExamples:\n  colinux stats guest1\n  colinux stats guest1 --json\n  colinux stats guest1 --watch");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    command->add_flag("--json", options->json, "as JSON: one object, or with --watch one line each second");
    command->add_flag("--watch", options->watch, "print each second how often what happened, until the guest ends");
    command->callback([options, &exit_code] {
        if (options->watch)
            watch(*options);
        else if (options->json)
            std::cout << counters(options->name).dump(2) << "\n";
        else
            print(counters(options->name));
        exit_code = 0;
    });
}

} // namespace colinux
