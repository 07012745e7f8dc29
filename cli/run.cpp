// SPDX-License-Identifier: GPL-2.0
// `colinux run`: from the command line to a running guest; stays with it, or leaves it (--detach).
#include "cli/boot_files.hpp"
#include "cli/commands.hpp"
#include "cli/console_session.hpp"
#include "cli/definition_store.hpp"
#include "cli/json_events.hpp"
#include "cli/run.hpp"
#include "cli/stop_signals.hpp"
#include "cli/templates.hpp"
#include "control/config_text.hpp"
#include "control/run_directory.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

namespace colinux {

struct RunOptions {
    std::string image, user, name, kernel, initrd, append, memory{"512M"}, watchdog, crash_dump, gdb;
    unsigned cpus{1};
    std::vector<std::string> disks, nets;
    std::string on_reboot{"restart"};
    bool detach{}, json{}, snapshot{}, remove{};
};

namespace {

constexpr const char* kExamples = R"(
With no --kernel, the newest kernel in the first disk's /boot that there is a graft for is taken, with its initramfs.
The console is this terminal; Ctrl-] leaves it, the guest runs on (colinux console NAME returns).
The exit code says how the guest ended: 0 power-off, 10 reboot (--on-reboot exit), 11 halt, 12 panic, 13 killed,
14 hang, 15 fault; all others: docs/exit-codes.md.

Examples:
  colinux run debian
  colinux run --disk debian.raw
  colinux run --name db --memory 1G --cpus 2 --disk debian.raw --disk data.raw --detach
  colinux run --disk debian.raw,ro --append "init=/bin/sh"
  colinux run --disk debian.raw --snapshot
  colinux run --disk cloud.raw,partition=1
  colinux run --kernel vmlinuz --initrd initrd.img
  colinux run --disk debian.raw --watchdog 30 --crash-dump /var/crash/debian.vmcore
  colinux run --disk debian.raw --net slirp,forward=tcp:2222:22,forward=tcp:8080:80
  colinux run --disk debian.raw --net tap=co0)";

// The kernel command line up to the user's own words; later words win in the kernel.
std::string default_command_line(const std::vector<DiskConfig>& disks)
{
    if (disks.empty())
        return "console=hvc0";
    return std::string{"console=hvc0 root=/dev/vda "} + (disks[0].read_only ? "ro" : "rw");
}

std::string absolute(const std::string& path) { return path.empty() ? "" : std::filesystem::absolute(path).string(); }

void print_event(const nlohmann::json& event, const StopSignals& stop)
{
    write_unless_stopped(STDOUT_FILENO, event_line(event) + "\n", stop);
}

// Says by the way what no error is.
class Teller {
public:
    Teller(bool as_json, const StopSignals& stop) : as_json_{as_json}, stop_{stop} {}
    void operator()(const std::string& text) const
    {
        if (as_json_)
            print_event({{"event", "progress"}, {"text", text}}, stop_);
        else
            write_unless_stopped(STDERR_FILENO, "colinux: " + text + "\n", stop_);
    }

private:
    bool as_json_;
    const StopSignals& stop_;
};

// The first disk, which has the root file system, and the kernel where none was named.
void look_into(MachineConfig& config, std::optional<BootFiles>& boot_files, StopSignals& stop, const Teller& tell)
{
    const DiskConfig& disk = config.disks[0];
    if (!std::filesystem::exists(disk.path))
        throw Failure{ExitCode::DiskMissing, "disk " + disk.path + " is not there: make one with: colinux image create debian " + disk.path +
                                                 " --size 2G"};
    if (!config.kernel.empty()) {
        if ((" " + config.command_line).find(" root=") == std::string::npos)
            check_root_disk(disk);
        return;
    }
    boot_files.emplace(BootFiles::find(disk, &stop));
    if (!boot_files->note().empty())
        tell(boot_files->note());
    config.kernel = boot_files->kernel();
    if (config.initrd.empty())
        config.initrd = boot_files->initrd();
}

} // namespace

MachineConfig config_of(const RunOptions& options)
{
    MachineConfig config;
    config.name = options.name;
    config.user = options.user;
    config.restarts = options.on_reboot == "restart";
    config.memory_bytes = parse_size(options.memory);
    config.vcpus = options.cpus;
    for (const std::string& disk : options.disks) {
        config.disks.push_back(parse_disk(disk));
        config.disks.back().path = absolute(config.disks.back().path);
        config.disks.back().snapshot |= options.snapshot;
    }
    if (options.nets.empty())
        config.nets.emplace_back();
    for (const std::string& net : options.nets)
        if (net != "none")
            config.nets.push_back(parse_net(net));
    config.kernel = absolute(options.kernel);
    config.initrd = absolute(options.initrd);
    config.command_line = options.append;
    if (!options.watchdog.empty())
        config.watchdog = parse_watchdog(options.watchdog);
    if (!options.gdb.empty())
        config.gdb = parse_gdb(options.gdb);
    config.crash_dump = absolute(options.crash_dump);
    return config;
}

namespace {

void complete(MachineConfig& config, std::optional<BootFiles>& boot_files, StopSignals& stop, const Teller& tell)
{
    std::uint64_t asked = config.memory_bytes;
    config.memory_bytes = round_up_memory(asked);
    if (config.memory_bytes != asked)
        tell("memory " + size_text(asked) + " is rounded up to " + size_text(config.memory_bytes) + ": a guest has its memory in blocks of 2M");
    if (const char* user = std::getenv("COLINUX_USER"); user && config.user.empty())
        config.user = user;
    if (!config.disks.empty())
        look_into(config, boot_files, stop, tell);
    config.command_line = default_command_line(config.disks) + (config.command_line.empty() ? "" : " " + config.command_line);
    check_config(config);
}

int stay(DaemonProcess& daemon, const DaemonProcess::Ready& ready, const RunMode& mode, StopSignals& stop)
{
    Teller tell{mode.json, stop};
    if (mode.console && !mode.json) {
        try {
            ConsoleSession console{ready.name, stop, [&] { daemon.ask_to_end(); }};
            if (console.run() == ConsoleSession::Outcome::Detached) {
                tell("left the console of " + ready.name + ", which runs on; return with: colinux console " + ready.name);
                return 0;
            }
        } catch (const Failure& failure) {
            // It ended before we had a console: how, comes next.
            if (failure.code() != ExitCode::NameUnknown && failure.code() != ExitCode::ControlSocket)
                throw;
        }
    }
    auto restarted = [&] {
        if (mode.json)
            print_event({{"event", "restarted"}}, stop);
        else if (!mode.console)
            tell("guest " + ready.name + " has rebooted");
    };
    GuestEnd end = daemon.wait_until_ended(restarted, mode.on_stop);
    RunDirectory{}.names(); // clears away what a daemon of another user may not
    if (mode.json) {
        nlohmann::json event = end_fields(end);
        event["event"] = "ended";
        print_event(event, stop);
        return static_cast<int>(end.code);
    }
    tell("guest " + ready.name + " has ended: " + end.reason);
    if (!end.report.empty())
        tell("what is known about that: colinux report " + ready.name);
    if (!end.dump.empty())
        tell("its memory: " + end.dump);
    return static_cast<int>(end.code);
}

int run(const RunOptions& options)
{
    if (!options.name.empty() && DefinitionStore{}.contains(options.name))
        throw Failure{ExitCode::NameTaken, "a guest named '" + options.name + "' is defined: choose another --name, or: colinux start " + options.name};
    RunMode mode;
    mode.detach = options.detach;
    mode.json = options.json;
    MachineConfig config = config_of(options);
    if (!options.image.empty()) {
        load_driver(); // before what takes long
        DiskConfig root{image_or_template(options.image)};
        root.snapshot = true;
        config.disks.insert(config.disks.begin(), root);
    }
    return run_guest(std::move(config), mode);
}

} // namespace

int run_guest(MachineConfig config, const RunMode& mode)
{
    StopSignals stop; // first of all: from here on there is something to take back
    Teller tell{mode.json, stop};
    std::optional<BootFiles> boot_files;
    complete(config, boot_files, stop, tell);
    stop.check();
    DaemonProcess daemon{config, stop};
    DaemonProcess::Ready ready = daemon.wait_until_ready([&](const std::string& text) {
        tell(text);
        if (mode.on_progress)
            mode.on_progress(text);
    });
    boot_files.reset();
    if (config.watchdog.seconds != 0 && sysconf(_SC_NPROCESSORS_ONLN) == 1)
        tell("warning: this host has one CPU: --watchdog cannot see a guest that spins with its interrupts off");
    if (mode.on_ready)
        mode.on_ready(ready);
    if (mode.json)
        print_event({{"event", "ready"}, {"name", ready.name}, {"pid", ready.pid}}, stop);
    if (!mode.detach)
        return stay(daemon, ready, mode, stop);
    if (!mode.json)
        write_unless_stopped(STDOUT_FILENO, ready.name + "\n", stop);
    return 0;
}

std::shared_ptr<RunOptions> add_guest_options(CLI::App& app)
{
    auto options = std::make_shared<RunOptions>();
    CLI::App* command = &app;
    command->add_option("--kernel", options->kernel, "the distribution's vmlinuz (default: the newest of the first disk)");
    command->add_option("--initrd", options->initrd, "its initramfs");
    command->add_option("--append", options->append,
                        "words for the kernel command line, behind 'console=hvc0 root=/dev/vda rw'");
    command->add_option("--memory", options->memory, "size, as 512M or 2G")->capture_default_str();
    command->add_option("--cpus", options->cpus, "number of CPUs")->capture_default_str();
    command->add_option("--disk", options->disks, "FILE[,ro][,snapshot][,partition=N][,format=raw]: raw image or block device; /dev/vda, /dev/vdb, ...")
        ->allow_extra_args(false);
    command->add_flag("--snapshot", options->snapshot,
                      "what the guest writes is gone with it, as with ,snapshot behind each --disk; several guests may use an image so");
    command->add_option("--net", options->nets, "slirp[,net=A.B.C.0/N][,host-loopback=on][,forward=tcp:[ADDRESS:]HOST:GUEST]... (default: slirp), tap=INTERFACE of the host, or none")->allow_extra_args(false);
    command->add_option("--on-reboot", options->on_reboot, "restart: the guest boots again, with the same kernel; exit: it ends (exit code 10)")
        ->check(CLI::IsMember({"restart", "exit"}))
        ->capture_default_str();
    command->add_option("--watchdog", options->watchdog,
                        "when a CPU of the guest makes no progress with its interrupts off for so long: end the guest (kill, the "
                        "default; dump: --crash-dump is needed), or only write a report (see: colinux report)")
        ->type_name("SECONDS[,kill|dump|report]");
    command->add_option("--gdb", options->gdb,
                        "a debugger for the guest's kernel: gdb's 'target remote :PORT' (127.0.0.1 and this user only). wait: the guest does "
                        "not begin before gdb says 'continue'; see docs/gdb.md")
        ->type_name("PORT[,wait]");
    command->add_option("--crash-dump", options->crash_dump, "write the memory of a guest that panics, hangs or faults there, for crash and gdb")
        ->type_name("FILE");
    command->add_option("--user", options->user, "user of the host that the daemon becomes before the guest runs (default: $COLINUX_USER, or root without capabilities)")
        ->type_name("NAME");
    return options;
}

void add_run(CLI::App& app, int& exit_code)
{
    CLI::App* command = app.add_subcommand("run", "Start a guest that is not written down");
    std::shared_ptr<RunOptions> options = add_guest_options(*command);
    command->footer(kExamples);
    command->add_option("IMAGE", options->image,
                        "an image of the store (see: colinux image ls), or debian, which is made at its first use: the first disk; what the guest writes "
                        "is gone with it (to keep it: colinux create NAME --image IMAGE)");
    command->add_option("--name", options->name, "name of the guest (default: the first free of guest1, guest2, ...)");
    command->add_flag("--detach", options->detach, "do not stay: print the guest's name and return");
    command->add_flag("--json", options->json, "no console: print what happens as JSON lines");
    command->add_flag("--rm", options->remove, "nothing of the guest is kept, as it is anyway; its disks are not the guest's: see --snapshot");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace colinux
