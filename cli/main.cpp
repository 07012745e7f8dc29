// SPDX-License-Identifier: GPL-2.0
// `colinux`: runs and looks after guests. This file is the table of contents; each subcommand has a file.
#include "cli/commands.hpp"
#include "control/descriptors.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <iostream>

namespace {

constexpr const char* kExamples = R"(
Examples:
  colinux image create debian debian.raw --size 2G
  colinux run --disk debian.raw --net slirp
  colinux run --name web --disk debian.raw --net slirp,forward=tcp:8080:80 --detach
  colinux console web
  colinux stop web
  colinux doctor

`colinux COMMAND --help` says more. Exit codes: docs/exit-codes.md.)";

int report(const colinux::Failure& failure)
{
    std::cerr << "colinux: " << failure.what() << "\n";
    return static_cast<int>(failure.code());
}

} // namespace

int main(int argc, char** argv)
try {
    colinux::open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    CLI::App app{"Cooperative Linux: runs unmodified Linux kernels beside this one, without hardware virtualization.", "colinux"};
    app.footer(kExamples);
    app.require_subcommand(1);

    int exit_code = 0;
    colinux::add_run(app, exit_code);
    colinux::add_ps(app, exit_code);
    colinux::add_console(app, exit_code);
    colinux::add_stop_and_kill(app, exit_code);
    colinux::add_logs(app, exit_code);
    colinux::add_stats(app, exit_code);
    colinux::add_doctor(app, exit_code);
    colinux::add_graft(app, exit_code);
    colinux::add_image(app, exit_code);
    colinux::add_version(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0)
            return app.exit(error); // --help
        std::string text = error.what();
        std::cerr << "colinux: " << text.substr(0, text.find('\n')) << " (see: colinux --help)\n";
        return static_cast<int>(colinux::ExitCode::Usage);
    }
    std::cout.flush();
    return exit_code;
} catch (const colinux::Failure& failure) {
    return report(failure);
} catch (const std::exception& error) {
    return report(colinux::Failure{colinux::ExitCode::Internal, error.what()});
}
