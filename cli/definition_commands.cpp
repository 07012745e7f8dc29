// SPDX-License-Identifier: GPL-2.0
// Subcommands for what is written down: create, ls, inspect, set, config. Nothing here starts or ends a guest.
#include "cli/commands.hpp"
#include "cli/copies.hpp"
#include "cli/definition_store.hpp"
#include "cli/disk_copy.hpp"
#include "cli/guest_commands.hpp"
#include "cli/new_folder.hpp"
#include "cli/run.hpp"
#include "cli/stop_signals.hpp"
#include "cli/templates.hpp"
#include "control/config_text.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

namespace colinux {

using nlohmann::json;

namespace {

bool is_file(const std::string& text) { return text.find('/') != std::string::npos || text.ends_with(".toml"); }

std::string path_of(const std::string& name_or_file) { return is_file(name_or_file) ? name_or_file : DefinitionStore{}.path(name_or_file); }

std::string text_of(const std::string& name_or_file)
{
    return is_file(name_or_file) ? read_definition_file(name_or_file) : DefinitionStore{}.text(name_or_file);
}

int check(std::vector<std::string> which)
{
    if (which.empty())
        which = DefinitionStore{}.names();
    bool good = true;
    for (const std::string& one : which)
        for (const std::string& problem : definition_problems(text_of(one), path_of(one))) {
            std::cerr << problem << "\n";
            good = false;
        }
    return static_cast<int>(good ? ExitCode::Success : ExitCode::DefinitionInvalid);
}

void show(const std::string& which, bool as_json)
{
    GuestDefinition definition = parse_definition(text_of(which), path_of(which));
    std::cout << (as_json ? definition_json(definition).dump(2) + "\n" : definition_toml(definition, true));
}

// The guest's own copy of an image in the store, as its first disk: what it writes stays. With the kernel that lies beside it.
std::string copy_of_image(const std::string& image, const std::string& folder)
{
    std::string from = image_or_template(image), to = folder + "/disk0.raw";
    StopSignals stop;
    copy_disk({from}, to, stop);
    std::error_code error;
    std::filesystem::create_directory(to + ".boot", error);
    if (std::filesystem::is_directory(from + ".boot"))
        std::filesystem::copy(from + ".boot", to + ".boot", std::filesystem::copy_options::recursive, error);
    if (error)
        throw Failure{ExitCode::NotSaved, to + ".boot: " + error.message()};
    stop.check();
    return to;
}

void create(const std::string& name, const RunOptions& options, const std::string& image, bool autostart)
{
    check_new_name(name);
    DefinitionStore store;
    GuestDefinition definition{config_of(options), autostart};
    std::optional<NewFolder> folder;
    if (!image.empty()) {
        refuse_taken(store, name);
        folder.emplace(store.state_folder(name));
        definition.machine.disks.insert(definition.machine.disks.begin(), DiskConfig{copy_of_image(image, store.state_folder(name))});
    }
    check_definition(definition);
    std::string text = definition_toml(definition);
    parse_definition(text, store.path(name));
    UniqueFd lock = store.lock();
    store.create(name, text);
    if (folder)
        folder->keep();
}

json summary(const DefinitionStore& store, const std::string& name, bool runs)
{
    json one{{"name", name}, {"state", runs ? "running" : "stopped"}};
    try {
        GuestDefinition definition = store.load(name);
        one.update({{"memory_bytes", definition.machine.memory_bytes}, {"cpus", definition.machine.vcpus}, {"autostart", definition.autostart}});
        one["disks"] = json::array();
        for (const DiskConfig& disk : definition.machine.disks)
            one["disks"].push_back(disk_text(disk));
    } catch (const Failure& failure) {
        one["problem"] = failure.what();
    }
    return one;
}

void list(bool as_json)
{
    DefinitionStore store;
    json all = json::array();
    std::vector<std::string> running = RunDirectory{}.names();
    for (const std::string& name : store.names())
        all.push_back(summary(store, name, std::ranges::binary_search(running, name)));
    if (as_json) {
        std::cout << all.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
        return;
    }
    printf("%-16s %-8s %4s %8s %-9s  %s\n", "NAME", "STATE", "CPUS", "MEMORY", "AUTOSTART", "DISKS");
    for (const json& one : all) {
        std::string name = one["name"], state = one["state"], disks;
        if (one.contains("problem")) {
            printf("%-16s %-8s %4s %8s %-9s  (%s)\n", name.c_str(), state.c_str(), "-", "-", "-", one.value("problem", "").c_str());
            continue;
        }
        for (const json& disk : one["disks"])
            disks += (disks.empty() ? "" : " ") + disk.get<std::string>();
        printf("%-16s %-8s %4u %8s %-9s  %s\n", name.c_str(), state.c_str(), one.value("cpus", 0u), size_text(one.value("memory_bytes", std::uint64_t{0})).c_str(),
               one.value("autostart", false) ? "yes" : "no", disks.c_str());
    }
}

void inspect(const std::string& name)
{
    DefinitionStore store;
    json all{{"name", name}, {"file", store.path(name)}, {"definition", definition_json(store.load(name))}};
    json status = guest_status(name);
    all["state"] = status.is_null() ? json("stopped") : status["state"];
    all["status"] = status;
    std::cout << all.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

void set(const std::string& name, const std::vector<std::string>& changes)
{
    DefinitionStore store;
    UniqueFd lock = store.lock();
    std::string text = store.text(name);
    for (const std::string& change : changes) {
        std::size_t equals = change.find('=');
        if (equals == std::string::npos || equals == 0)
            throw Failure{ExitCode::Usage, "'" + change + "': expected KEY=VALUE, as memory=1G"};
        text = edit_definition(text, store.path(name), change.substr(0, equals), change.substr(equals + 1));
    }
    store.replace(name, text);
    if (RunDirectory{}.is_taken(name))
        std::cerr << "colinux: guest " << name << " runs: this counts from its next start (colinux restart " << name << ")\n";
}

void add_config(CLI::App& app, int& exit_code)
{
    CLI::App* config = app.add_subcommand("config", "Check or show definitions of guests");
    config->require_subcommand(1);
    config->footer("\nExamples:\n  colinux config check\n  colinux config check web new.toml\n  colinux config show web --json");
    auto which = std::make_shared<std::vector<std::string>>();
    CLI::App* check_command = config->add_subcommand("check", "Say everything that is wrong, with file, line and column");
    check_command->add_option("NAME", *which, "guests, or files: what has a '/' or ends with .toml (default: all guests)");
    check_command->callback([which, &exit_code] { exit_code = check(*which); });

    auto one = std::make_shared<std::string>();
    auto as_json = std::make_shared<bool>(false);
    CLI::App* show_command = config->add_subcommand("show", "Print a definition with every default");
    show_command->add_option("NAME", *one, "a guest, or a file")->required();
    show_command->add_flag("--json", *as_json, "as one JSON object");
    show_command->callback([=] { show(*one, *as_json); });
}

} // namespace

void add_definitions(CLI::App& app, int& exit_code)
{
    auto name = std::make_shared<std::string>();
    CLI::App* create_command = app.add_subcommand("create", "Write a guest down: /etc/colinux/NAME.toml");
    create_command->footer("\nThe file may be edited (docs/config.md), or: colinux set.\n\nExamples:\n"
                           "  colinux create db --image debian; colinux start db --attach\n"
                           "  colinux create web --memory 1G --disk web.raw --net slirp,forward=tcp:8080:80; colinux start web");
    create_command->add_option("NAME", *name, "name of the new guest")->required();
    std::shared_ptr<RunOptions> options = add_guest_options(*create_command);
    auto image = std::make_shared<std::string>();
    create_command->add_option("--image", *image, "its first disk is a copy of that image of the store, or of a template: debian (see: colinux image ls)");
    auto autostart = std::make_shared<bool>(false);
    create_command->add_flag("--autostart", *autostart, "started by: colinux start --autostart");
    create_command->callback([=] { create(*name, *options, *image, *autostart); });

    auto as_json = std::make_shared<bool>(false);
    CLI::App* ls = app.add_subcommand("ls", "List the guests that are written down");
    ls->add_flag("--json", *as_json, "as one JSON array");
    ls->callback([=] { list(*as_json); });

    CLI::App* inspect_command = app.add_subcommand("inspect", "Print a guest's definition and status as JSON");
    inspect_command->add_option("NAME", *name, "the guest's name (see: colinux ls)")->required();
    inspect_command->callback([=] { inspect(*name); });

    auto changes = std::make_shared<std::vector<std::string>>();
    CLI::App* set_command = app.add_subcommand("set", "Change values of a guest's definition");
    set_command->footer("\nAll changes are made, or none. KEY= takes a key out. Keys: docs/config.md.\n\nExamples:\n  colinux set web memory=2G cpus=2\n"
                        "  colinux set web disk[0].read_only=true net[0].forward=tcp:8080:80,tcp:2222:22");
    set_command->add_option("NAME", *name, "the guest's name")->required();
    set_command->add_option("KEY=VALUE", *changes, "what is to be so")->required();
    set_command->callback([=] { set(*name, *changes); });

    add_config(app, exit_code);
}

} // namespace colinux
