// SPDX-License-Identifier: GPL-2.0
// `colinux kernel`: for who works on a kernel: run it, and say what it needs for that.
#include "cli/commands.hpp"
#include "cli/kernel_config.hpp"
#include "cli/kernel_run.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>

namespace colinux {

namespace {

void check_config(const std::string& what)
{
    std::string file = std::filesystem::is_directory(what) ? (std::filesystem::path{what} / ".config").string() : what;
    std::vector<const KernelOption*> missing = missing_options(KernelConfig::read(file));
    for (const KernelOption* option : missing)
        std::cout << "CONFIG_" << std::left << std::setw(28) << std::string{option->names}.substr(0, std::string{option->names}.find('|')) << option->why << "\n";
    std::cout.flush();
    if (!missing.empty())
        throw Failure{ExitCode::KernelUnfit, file + " lacks what is listed here: colinux kernel config --fragment >colinux.config; "
                                                 "scripts/kconfig/merge_config.sh -m .config colinux.config; make olddefconfig"};
}

void add_kernel_run(CLI::App& kernel, int& exit_code)
{
    auto options = std::make_shared<KernelRunOptions>();
    CLI::App* run = kernel.add_subcommand("run", "Run a command on a kernel of your own, with this host's files");
    run->footer("\nKERNEL is a build folder, a kernel headers package's, or a bzImage or vmlinux. The guest sees this host's files and changes none, but those\n"
                "of --rw; all else that it writes is gone with it. The exit code is the command's; when there is a line of colinux's on standard error, it is\n"
                "colinux's: 12 panic, 32 options are missing, 33 no graft, 70 the graft cannot be built, 93 no root: docs/kernel-developers.md.\n\nExamples:\n"
                "  colinux kernel run ~/linux -- uname -a\n  colinux kernel run ~/linux --cpus 2 --rw . -- make -C tools/testing/selftests/timers run_tests\n"
                "  colinux kernel run ~/linux\n  colinux kernel run arch/x86/boot/bzImage --tree . -- dmesg");
    run->add_option("KERNEL", options->what, "build folder, or the kernel's file")->required();
    run->add_option("COMMAND", options->command, "the command and its arguments, behind --; none: a shell on this terminal");
    run->add_option("--kernel", options->kernel, "the kernel's file, where KERNEL is a folder without one");
    run->add_option("--tree", options->tree, "its build folder, where KERNEL is a file: the graft is built from it (default: one that there is)");
    run->add_option("--modules", options->modules, "folder with its modules somewhere below (default: the build folder, else /lib/modules/RELEASE)");
    run->add_option("--root", options->root, "folder that is the guest's root, to be read")->capture_default_str();
    run->add_option("--rw", options->writable, "folder of this host that the guest may write to, at the same place; several times")->allow_extra_args(false);
    run->add_option("-w,--workdir", options->directory, "folder to run in (default: this one)");
    run->add_option("-e,--env", options->environment, "NAME=VALUE for the command's environment; several times")->allow_extra_args(false)->type_name("NAME=VALUE");
    run->add_flag("-i,--interactive", options->interactive, "give the command this standard input; else it has an empty one");
    run->add_flag("-t,--tty", options->tty, "give it a terminal");
    run->add_option("--memory", options->memory, "size, as 512M or 2G")->capture_default_str();
    run->add_option("--cpus", options->cpus, "number of CPUs")->capture_default_str();
    run->add_option("--append", options->append, "words for the kernel command line");
    run->callback([options, &exit_code] {
        if (!options->command.empty() && options->command.front() == "--") // which some versions of the parser leave there
            options->command.erase(options->command.begin());
        for (const std::string& variable : options->environment)
            if (variable.find('=') == std::string::npos || variable.front() == '=')
                throw Failure{ExitCode::Usage, "--env " + variable + ": NAME=VALUE is wanted"};
        exit_code = run_kernel(*options);
    });
}

} // namespace

void add_kernel(CLI::App& app, int& exit_code)
{
    CLI::App* kernel = app.add_subcommand("kernel", "For kernel developers: run a kernel that was just built, with this host's files");
    kernel->require_subcommand(1);
    add_kernel_run(*kernel, exit_code);

    auto what = std::make_shared<std::string>(".");
    auto fragment = std::make_shared<bool>();
    CLI::App* config = kernel->add_subcommand("config", "Say which options a kernel lacks for `colinux kernel run`, and why");
    config->footer("\nExit code 0: it lacks none; 32: it does.\n\nExamples:\n  colinux kernel config ~/linux\n  colinux kernel config /boot/config-$(uname -r)\n"
                   "  colinux kernel config --fragment >colinux.config\n  scripts/kconfig/merge_config.sh -m .config colinux.config");
    config->add_option("CONFIG", *what, "build folder, or a .config")->capture_default_str();
    config->add_flag("--fragment", *fragment, "print all that is needed, for scripts/kconfig/merge_config.sh");
    config->callback([what, fragment, &exit_code] {
        if (*fragment)
            std::cout << config_fragment();
        else
            check_config(*what);
        exit_code = 0;
    });
}

} // namespace colinux
