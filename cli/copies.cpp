// SPDX-License-Identifier: GPL-2.0
// `colinux clone`, `rename` and `rm`: a guest that is written down, with what belongs to it.
#include "cli/commands.hpp"
#include "cli/copies.hpp"
#include "cli/definition_store.hpp"
#include "cli/disk_copy.hpp"
#include "cli/new_folder.hpp"
#include "cli/service.hpp"
#include "cli/stop_signals.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;

namespace {

void refuse_running(const std::string& name, const char* what)
{
    if (RunDirectory{}.is_taken(name))
        throw Failure{ExitCode::GuestRuns, "guest " + name + " runs, and " + what + " is for those that do not: colinux stop " + name};
}

// So that it does not start meanwhile.
NameClaim claim(const std::string& name, const char* what)
{
    refuse_running(name, what);
    RunDirectory directory;
    directory.create();
    return NameClaim{directory, name};
}

void clone(const std::string& name, const std::string& new_name)
{
    StopSignals stop;
    DefinitionStore store;
    std::string text = store.text(name);
    GuestDefinition definition = store.load(name);
    refuse_taken(store, new_name);
    NameClaim held = claim(name, "clone");
    NewFolder folder{store.state_folder(new_name)};
    for (std::size_t i = 0; i < definition.machine.disks.size(); i++) {
        const DiskConfig& disk = definition.machine.disks[i];
        if (disk.read_only || disk.snapshot)
            continue;
        std::string copy = store.state_folder(new_name) + "/disk" + std::to_string(i) + ".raw";
        copy_disk(disk, copy, stop);
        text = edit_definition(text, store.path(name), "disk[" + std::to_string(i) + "].path", copy);
    }
    UniqueFd lock = store.lock();
    store.create(new_name, text);
    folder.keep();
}

std::string moved(const std::string& path, const std::string& from, const std::string& to)
{
    return path.starts_with(from + "/") ? to + path.substr(from.size()) : path;
}

void rename_logs(const std::string& name, const std::string& new_name)
{
    RunDirectory directory;
    ::rename(directory.log_path(name).c_str(), directory.log_path(new_name).c_str());
    ::rename(directory.previous_log_path(name).c_str(), directory.previous_log_path(new_name).c_str());
}

void rename_guest(const std::string& name, const std::string& new_name)
{
    DefinitionStore store;
    UniqueFd lock = store.lock();
    std::string text = store.text(name), from = store.state_folder(name), to = store.state_folder(new_name);
    GuestDefinition definition = store.load(name);
    refuse_taken(store, new_name);
    refuse_service(name, "rename");
    NameClaim held = claim(name, "rename"), new_held = claim(new_name, "rename");
    for (std::size_t i = 0; i < definition.machine.disks.size(); i++) {
        const std::string& path = definition.machine.disks[i].path;
        if (std::string new_path = moved(path, from, to); new_path != path)
            text = edit_definition(text, store.path(name), "disk[" + std::to_string(i) + "].path", new_path);
    }
    std::error_code error;
    bool has_folder = fs::exists(from);
    if (has_folder)
        fs::rename(from, to, error);
    if (error)
        throw Failure{ExitCode::NotSaved, from + ": " + error.message()};
    try {
        store.create(new_name, text);
    } catch (const Failure&) {
        if (has_folder)
            fs::rename(to, from, error);
        throw;
    }
    store.remove(name);
    rename_logs(name, new_name);
}

} // namespace

void refuse_taken(const DefinitionStore& store, const std::string& name)
{
    check_new_name(name);
    if (store.contains(name))
        throw Failure{ExitCode::NameTaken, "a guest named '" + name + "' is defined already: " + store.path(name) + "; choose another name, or: colinux rm " + name};
    if (fs::exists(store.state_folder(name)))
        throw Failure{ExitCode::NameTaken, store.state_folder(name) + " has disks of an earlier guest of that name: choose another, or move them away"};
}

void remove_guest(const std::string& name, bool disks)
{
    DefinitionStore store;
    UniqueFd lock = store.lock();
    store.text(name); // is there
    refuse_service(name, "rm");
    NameClaim held = claim(name, "rm");
    store.remove(name);
    std::error_code error;
    std::string folder = store.state_folder(name);
    if (disks)
        fs::remove_all(folder, error);
    else if (fs::is_directory(folder) && fs::is_empty(folder, error) && !error)
        fs::remove(folder, error);
    if (error)
        throw Failure{ExitCode::NotSaved, folder + ": " + error.message()};
    if (fs::exists(folder))
        std::cerr << "colinux: its disks stay in " << folder << "\n";
}

void add_copies(CLI::App& app, int&)
{
    auto name = std::make_shared<std::string>(), new_name = std::make_shared<std::string>();
    CLI::App* clone_command = app.add_subcommand("clone", "Make a second guest of one, with copies of its disks");
    clone_command->footer("\nThe copies lie in /var/lib/colinux/NEW. Disks that are read-only are shared.\n\nExample:\n  colinux clone web test");
    clone_command->add_option("NAME", *name, "the guest, which does not run")->required();
    clone_command->add_option("NEW", *new_name, "name of the new one")->required();
    clone_command->callback([=] { clone(*name, *new_name); });

    CLI::App* rename_command = app.add_subcommand("rename", "Give a guest another name");
    rename_command->footer("\nExample:\n  colinux rename web www");
    rename_command->add_option("NAME", *name, "the guest, which does not run")->required();
    rename_command->add_option("NEW", *new_name, "its new name")->required();
    rename_command->callback([=] { rename_guest(*name, *new_name); });

    auto disks = std::make_shared<bool>(false);
    CLI::App* rm = app.add_subcommand("rm", "Remove a guest's definition");
    rm->footer("\nDisks stay.\n\nExamples:\n  colinux rm web\n  colinux rm test --disks");
    rm->add_option("NAME", *name, "the guest, which does not run")->required();
    rm->add_flag("--disks", *disks, "also those that `clone` made, in /var/lib/colinux/NAME");
    rm->callback([=] { remove_guest(*name, *disks); });
}

} // namespace colinux
