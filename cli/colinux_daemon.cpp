// SPDX-License-Identifier: GPL-2.0
// `colinux-daemon`: starts a guest by the command line and the files of the original Cooperative Linux, and stays until it has
// ended. docs/colinux-compat.md says what each option does here.
#include "cli/copies.hpp"
#include "cli/definition_store.hpp"
#include "cli/logs.hpp"
#include "cli/original_options.hpp"
#include "cli/run.hpp"
#include "control/descriptors.hpp"
#include "control/failure.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

namespace colinux {

namespace {

constexpr const char* kHelp = R"(colinux-daemon: a guest by the command line of the original Cooperative Linux

  colinux-daemon [-d] [-k] [-p PIDFILE] [-v LEVEL] [OPTION=VALUE | word of the kernel command line | @FILE]...
  colinux-daemon --install-service [NAME] @FILE     writes a guest down that `colinux start --autostart` starts
  colinux-daemon --remove-service [NAME]

  -d          no console: print what the guest does; -k: not even that
  -p PIDFILE  write the guest's process id to a file
  -v LEVEL    1 and more: print what was understood
  kernel=FILE initrd=FILE mem=MEGABYTES root=DEVICE cobdN=FILE hdXN=FILE|:cobdN scsiN=disk|cdrom,FILE
  ethN=slirp,,tcp:HOST_PORT:GUEST_PORT

Example:
  colinux-daemon kernel=vmlinuz initrd=initrd.img cobd0=debian.raw root=/dev/cobd0 mem=256 eth0=slirp

All options, and what is otherwise than in the original: docs/colinux-compat.md. People use: colinux run
)";

// Holds the pid while the guest runs.
class PidFile {
public:
    explicit PidFile(const std::string& path) : path_{path}
    {
        if (path.empty())
            return;
        fd_ = UniqueFd{open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)}; // now: later the guest runs
        if (!fd_)
            throw Failure{ExitCode::NotSaved, "-p " + path + ": " + strerror(errno)};
    }
    ~PidFile()
    {
        if (fd_)
            unlink(path_.c_str());
    }
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    void write(pid_t pid) const
    {
        std::string text = std::to_string(pid) + "\n";
        if (fd_ && ::write(fd_.get(), text.data(), text.size()) < 0)
            std::cerr << "colinux-daemon: -p " << path_ << ": " << strerror(errno) << "\n";
    }

private:
    std::string path_;
    UniqueFd fd_;
};

int run(const OriginalOptions& options)
{
    PidFile pid_file{options.pid_file};
    std::thread printer; // ends with the guest
    RunMode mode;
    mode.console = !options.no_console;
    mode.on_ready = [&](const DaemonProcess::Ready& ready) {
        pid_file.write(ready.pid);
        if (options.no_console && !options.quiet)
            printer = std::thread{[name = ready.name] { follow_log(name); }};
    };
    int exit_code;
    try {
        exit_code = run_guest(options.config, mode);
    } catch (...) {
        if (printer.joinable())
            printer.detach();
        throw;
    }
    if (printer.joinable())
        printer.join();
    return exit_code;
}

void install(const OriginalOptions& options)
{
    check_new_name(options.service);
    GuestDefinition definition{options.config, true};
    check_definition(definition);
    std::string text = definition_toml(definition);
    DefinitionStore store;
    parse_definition(text, store.path(options.service));
    UniqueFd lock = store.lock();
    store.create(options.service, text);
    std::cout << store.path(options.service) << "\n";
}

int act(const OriginalOptions& options)
{
    for (const std::string& note : options.notes)
        std::cerr << "colinux-daemon: " << note << "\n";
    if (options.verbosity > 0)
        std::cerr << definition_toml({options.config, false}, true);
    switch (options.action) {
    case OriginalOptions::Action::Help:
        std::cout << kHelp;
        return 0;
    case OriginalOptions::Action::InstallService:
        install(options);
        return 0;
    case OriginalOptions::Action::RemoveService:
        remove_guest(options.service, false);
        return 0;
    case OriginalOptions::Action::RunService: {
        OriginalOptions service = options;
        service.config = DefinitionStore{}.load(options.service).machine;
        service.no_console = true;
        return run(service);
    }
    case OriginalOptions::Action::Run:
        break;
    }
    return run(options);
}

int report(const Failure& failure)
{
    std::cerr << "colinux-daemon: " << failure.what() << "\n";
    return static_cast<int>(failure.code());
}

} // namespace

} // namespace colinux

int main(int argc, char** argv)
try {
    colinux::open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    if (argc == 1) {
        std::cerr << colinux::kHelp;
        return static_cast<int>(colinux::ExitCode::Usage);
    }
    return colinux::act(colinux::parse_original({argv + 1, argv + argc}, std::filesystem::current_path(), colinux::read_definition_file));
} catch (const colinux::Failure& failure) {
    return colinux::report(failure);
} catch (const std::exception& error) {
    return colinux::report(colinux::Failure{colinux::ExitCode::Internal, error.what()});
}
