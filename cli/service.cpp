// SPDX-License-Identifier: GPL-2.0
// `colinux service`: makes systemd start and stop guests with the machine.
#include "cli/service.hpp"

#include "cli/commands.hpp"
#include "cli/definition_store.hpp"
#include "cli/installation.hpp"
#include "cli/subprocess.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTemplate = "colinux@.service";
constexpr std::string_view kOurs = "# Written by `colinux service install`.\n";
constexpr std::string_view kPackagedProgram = "/usr/bin/colinux ";

std::string unit_of(const std::string& name) { return "colinux@" + name + ".service"; }

fs::path wants(const SystemdFolders& systemd) { return fs::path{systemd.admin} / "multi-user.target.wants"; }

void need_systemd(const SystemdFolders& systemd)
{
    std::error_code ignored;
    if (!fs::is_directory(systemd.running, ignored) || !has_program("systemctl"))
        throw Failure{ExitCode::ServiceUnfit, "this host is not run by systemd (" + systemd.running + " is not there), and other service managers are "
                                              "not known here; let yours run: colinux start --foreground NAME"};
}

// systemctl says itself what is wrong.
void systemctl(std::vector<std::string> words)
{
    words.insert(words.begin(), "systemctl");
    int status = run_in_foreground(words);
    std::string line;
    for (const std::string& word : words)
        line += (line.empty() ? "" : " ") + word;
    if (status != 0)
        throw Failure{ExitCode::ServiceUnfit, "failed with exit code " + std::to_string(status) + ": " + line};
}

std::string content(const fs::path& file)
{
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
}

bool is_packaged(const SystemdFolders& systemd)
{
    return std::ranges::any_of(systemd.packaged, [](const std::string& folder) { return fs::exists(fs::path{folder} / kTemplate); });
}

std::string own_template()
{
    std::string source = find_shared(std::string{"packaging/systemd/"} + kTemplate);
    if (source.empty())
        throw Failure{ExitCode::Internal, "packaging/systemd/colinux@.service is not installed: run cmake --install again"};
    std::string text = content(source), program = fs::read_symlink("/proc/self/exe").string() + " ";
    if (std::size_t at = text.find(kPackagedProgram); at != std::string::npos)
        text.replace(at, kPackagedProgram.size(), program);
    return std::string{kOurs} + text;
}

// True: it is new.
bool write_template(const SystemdFolders& systemd)
{
    fs::path target = fs::path{systemd.admin} / kTemplate, unfinished = target.string() + ".new";
    std::string text = own_template(), present = content(target);
    if (present == text || (!present.empty() && !present.starts_with(kOurs))) // the administrator's own
        return false;
    std::ofstream file{unfinished};
    errno = 0;
    if (!(file << text << std::flush) || rename(unfinished.c_str(), target.c_str()) != 0) {
        int error = errno;
        unlink(unfinished.c_str());
        bool forbidden = error == EACCES || error == EPERM;
        throw Failure{forbidden ? ExitCode::NotRoot : ExitCode::NotSaved, target.string() + ": " + strerror(error) + (forbidden ? ": run this as root" : "")};
    }
    return true;
}

// Also one that is not enabled may run, and be stopped by what the template says.
bool is_used(const SystemdFolders& systemd)
{
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator{wants(systemd), ignored})
        if (entry.path().filename().string().starts_with("colinux@"))
            return true;
    Finished active = run_and_capture({"systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating,deactivating", "colinux@*"});
    return active.status != 0 || !active.output.empty();
}

void remove_template(const SystemdFolders& systemd)
{
    fs::path target = fs::path{systemd.admin} / kTemplate;
    if (!content(target).starts_with(kOurs) || is_used(systemd))
        return;
    std::error_code error;
    if (!fs::remove(target, error) && error)
        throw Failure{ExitCode::NotSaved, target.string() + ": " + error.message()};
    systemctl({"daemon-reload"});
}

// Each is tried; systemd goes on with what takes long.
int start_automatic(const SystemdFolders& systemd)
{
    need_systemd(systemd);
    DefinitionStore store;
    int exit_code = 0;
    for (const std::string& name : store.names())
        try {
            if (store.load(name).autostart && !RunDirectory{}.is_taken(name))
                systemctl({"start", "--no-block", unit_of(name)});
        } catch (const Failure& failure) {
            std::cerr << "colinux: " << failure.what() << "\n";
            exit_code = static_cast<int>(failure.code());
        }
    return exit_code;
}

} // namespace

bool has_service(const std::string& name, const SystemdFolders& systemd)
{
    std::error_code ignored;
    return fs::is_symlink(wants(systemd) / unit_of(name), ignored);
}

void refuse_service(const std::string& name, const char* what, const SystemdFolders& systemd)
{
    if (has_service(name, systemd))
        throw Failure{ExitCode::ServiceUnfit, "guest " + name + " is a service, and " + what + " is for those that are none: colinux service remove " + name};
}

void install_service(const std::string& name, bool now, const SystemdFolders& systemd)
{
    DefinitionStore{}.load(name);
    need_systemd(systemd);
    bool written = !is_packaged(systemd) && write_template(systemd);
    try {
        if (written)
            systemctl({"daemon-reload"});
        if (now)
            systemctl({"enable", "--now", unit_of(name)});
        else
            systemctl({"enable", unit_of(name)});
    } catch (const Failure&) {
        if (written && !has_service(name, systemd))
            remove_template(systemd);
        throw;
    }
}

void remove_service(const std::string& name, bool now, const SystemdFolders& systemd)
{
    check_name(name);
    need_systemd(systemd);
    if (!has_service(name, systemd))
        throw Failure{ExitCode::NameUnknown, "guest " + name + " is no service: " + (wants(systemd) / unit_of(name)).string() + " is not there"};
    if (now)
        systemctl({"disable", "--now", unit_of(name)});
    else
        systemctl({"disable", unit_of(name)});
    remove_template(systemd);
}

void add_service(CLI::App& app, int& exit_code)
{
    auto name = std::make_shared<std::string>();
    auto now = std::make_shared<bool>(false);
    CLI::App* service = app.add_subcommand("service", "Make guests services: systemd starts them at boot and stops them in order");
    service->require_subcommand(1);
    service->footer("\nThe service of a guest NAME is colinux@NAME: systemctl status colinux@NAME. docs/service.md says more.\n\nExamples:\n"
                    "  colinux service install web --now\n  colinux service remove web");
    CLI::App* install = service->add_subcommand("install", "Start the guest at each boot");
    install->add_option("NAME", *name, "a guest that is written down (see: colinux ls)")->required();
    install->add_flag("--now", *now, "and at once");
    install->callback([=] { install_service(*name, *now); });
    CLI::App* remove = service->add_subcommand("remove", "Start it no more");
    remove->add_option("NAME", *name, "the guest's name")->required();
    remove->add_flag("--now", *now, "and stop it");
    remove->callback([=] { remove_service(*name, *now); });
    CLI::App* automatic = service->add_subcommand("autostart", "Start the services of all guests that have autostart = true (colinux-autostart.service does)");
    automatic->callback([&exit_code] { exit_code = start_automatic({}); });
}

} // namespace colinux
