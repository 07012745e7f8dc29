// SPDX-License-Identifier: GPL-2.0
// colinuxd: the process of one guest, started by `colinux run`. Reads the guest's configuration, makes
// the guest, serves its control socket, and ends with the guest, saying how it did by its exit code.
//
//   colinuxd --config-fd N [--report-fd N]
//   colinuxd --check-kernel VMLINUZ    `colinux graft check`: could it be started?
//
// The configuration is JSON (control/config.hpp); the report is vmm/startup_report.hpp.
#include "control/config.hpp"
#include "control/descriptors.hpp"
#include "control/dump_file.hpp"
#include "control/run_directory.hpp"
#include "vmm/control_server.hpp"
#include "vmm/loader/kernel_check.hpp"
#include "vmm/machine.hpp"
#include "vmm/startup_report.hpp"
#include "vmm/sys/linux/file_confinement.hpp"
#include "vmm/sys/linux/privileges.hpp"
#include "vmm/termination.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string_view>
#include <vector>

namespace colinux {

namespace {

struct Descriptors {
    UniqueFd config, report;
};

Descriptors parse_arguments(int argc, char** argv)
{
    Descriptors descriptors;
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string_view option = argv[i], value = argv[i + 1];
        int fd = -1;
        std::from_chars(value.data(), value.data() + value.size(), fd);
        bool open = fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
        if (open && option == "--config-fd")
            descriptors.config = UniqueFd{fd};
        else if (open && option == "--report-fd")
            descriptors.report = UniqueFd{fd};
        else
            throw Failure{ExitCode::Usage, "bad option " + std::string{option} + " " + std::string{value}};
    }
    if (!descriptors.config || argc % 2 == 0)
        throw Failure{ExitCode::Usage, "usage: colinuxd --config-fd N [--report-fd N]; people use: colinux run"};
    return descriptors;
}

// Descriptors of the starter's that are none of ours would outlive it: a lock that it holds, a pipe whose end somebody waits for.
void begin_with_own_descriptors(int argc, char** argv)
{
    std::vector<int> named;
    for (int i = 1; i < argc; i++) {
        std::string_view value = argv[i];
        int fd = -1;
        if (std::from_chars(value.data(), value.data() + value.size(), fd).ec == std::errc{})
            named.push_back(fd);
    }
    open_standard_descriptors();
    close_inherited_descriptors(named);
    raise_descriptor_limit();
}

std::string read_all(UniqueFd fd)
{
    std::string text;
    char bytes[4096];
    for (ssize_t count; (count = read(fd.get(), bytes, sizeof bytes)) > 0;)
        text.append(bytes, static_cast<std::size_t>(count));
    return text;
}

// The starter's terminal is not ours any more.
void leave_terminal()
{
    UniqueFd null{open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        dup2(null.get(), fd);
    if (chdir("/") != 0)
        throw Failure{ExitCode::Internal, std::string{"chdir /: "} + strerror(errno)};
}

void check(const std::string& kernel)
{
    KernelCheck fit = check_kernel(kernel);
    std::cout << kernel << ": kernel " << fit.release << " can be taken over\n"
              << "graft: " << fit.graft_path << "\n"
              << "CPUs: " << (fit.multi_cpu_ok ? "several" : "one only") << "\n"
              << "contiguous memory: " << (fit.contiguous_bytes >> 20) << "M\n";
}

GuestEnd run_again(Machine& machine, StartupReport& report)
{
    try {
        machine.restart();
        report.restarted();
        return machine.wait();
    } catch (const Failure& failure) {
        return {failure.code(), std::string{"rebooted, and could not be started again: "} + failure.what()};
    }
}

void check_crash_dump(const MachineConfig& config, const std::optional<Account>& account)
{
    if (config.crash_dump.empty())
        return;
    DumpFile::check(config.crash_dump);
    std::string folder = DumpFile::folder(config.crash_dump);
    int error = without_privileges(account, [&] { return access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno; });
    std::string who = account ? config.user : "root";
    if (error != 0)
        throw Failure{ExitCode::DumpFailed, "dump " + config.crash_dump + ": " + who + " without privileges cannot make a file in " + folder + ": " + strerror(error) +
                                                "; chown " + who + " " + folder + ", or name another folder"};
}

void give_up_the_rest(const MachineConfig& config, const RunDirectory& directory, const std::optional<Account>& account, Termination& termination)
{
    std::vector<FileConfinement::Folder> folders{{directory.path(), false}, {directory.log_folder(), false}};
    if (!config.crash_dump.empty())
        folders.push_back({DumpFile::folder(config.crash_dump), true});
    FileConfinement confinement{folders};
    auto everywhere = [&](const std::function<void()>& task) { termination.run_on_its_thread(task); };
    give_up_privileges(account, everywhere);
    confinement.apply(everywhere);
    filter_system_calls(!config.crash_dump.empty());
}

GuestEnd run_guest(MachineConfig config, StartupReport& report, Termination& termination)
{
    std::optional<Account> account = find_account(config.user);
    RunDirectory directory;
    directory.create();
    NameClaim claim{directory, config.name};
    config.name = claim.name();

    auto abandon = [&] {
        claim.release();
        report.error({ExitCode::GuestKilled, "interrupted before the guest ran"});
        _exit(static_cast<int>(ExitCode::GuestKilled)); // the driver takes everything back
    };
    termination.while_starting(abandon, report.fd());
    std::optional<Machine> machine;
    std::optional<ControlServer> server;
    try {
        check_crash_dump(config, account);
        machine.emplace(config, [&](const std::string& text) { report.progress(text); });
        server.emplace(directory.socket_path(claim.name()), *machine);
        leave_terminal();
        directory.rotate_logs(claim.name()); // nothing else can go wrong: a start that fails leaves earlier logs as they are
        machine->keep_records(directory.log_path(claim.name()), directory.report_path(claim.name()));
        give_up_the_rest(config, directory, account, termination);
    } catch (...) {
        termination.while_starting(nullptr);
        throw;
    }
    termination.while_running(*machine);
    machine->start();
    if (std::string hint = machine->debugger_hint(); !hint.empty())
        report.progress(hint);
    server->start(); // who may ask for a report needs vCPUs that can be made to stand still
    if (!report.ready(claim.name()))
        machine->kill(); // nobody would know of it

    GuestEnd end = machine->wait();
    while (end.code == ExitCode::GuestReboot && config.restarts)
        end = run_again(*machine, report);
    termination.ended();
    server->pause();
    if (end.is_crash())
        machine->leave_evidence(end);
    machine.reset(); // every frame is the host's again, before anybody hears that the guest has ended
    claim.release();
    server->finish(end);
    return end;
}

// Where the host gives huge pages unasked, the first touch of a stack of the usual 8 MiB takes 2 MiB. And what loading a kernel takes
// goes back to the host when it is freed, not to a heap in pieces.
void need_little_memory()
{
    constexpr std::size_t kBytes = 512u << 10;
    mallopt(M_MMAP_THRESHOLD, 128 << 10); // said, it does not grow by itself
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kBytes);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

int run(int argc, char** argv)
{
    begin_with_own_descriptors(argc, argv);
    need_little_memory();
    Termination termination;
    StartupReport to_terminal{UniqueFd{}};
    std::optional<StartupReport> to_starter;
    StartupReport* report = &to_terminal;
    try {
        if (argc == 3 && std::string_view{argv[1]} == "--check-kernel") {
            check(argv[2]);
            return 0;
        }
        Descriptors descriptors = parse_arguments(argc, argv);
        if (descriptors.report)
            report = &to_starter.emplace(std::move(descriptors.report));
        GuestEnd end = run_guest(config_from_json(read_all(std::move(descriptors.config))), *report, termination);
        report->ended(end);
        return static_cast<int>(end.code);
    } catch (const Failure& failure) {
        report->error(failure);
        return static_cast<int>(failure.code());
    } catch (const std::exception& error) {
        report->error(Failure{ExitCode::Internal, error.what()});
        return static_cast<int>(ExitCode::Internal);
    }
}

} // namespace

} // namespace colinux

int main(int argc, char** argv) { return colinux::run(argc, argv); }
