// SPDX-License-Identifier: GPL-2.0
// `colinux`: runs and looks after guests. This file is the table of contents; each subcommand has a file.
#include "cli/commands.hpp"
#include "cli/introspection.hpp"
#include "cli/json_events.hpp"
#include "cli/wait.hpp"
#include "control/descriptors.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <string_view>

namespace {

constexpr const char* kExamples = R"(
Examples:
  colinux image create debian debian.raw --size 2G
  colinux run --disk debian.raw
  colinux run --name web --disk debian.raw --net slirp,forward=tcp:8080:80 --detach
  colinux console web
  colinux stop web
  colinux doctor

`colinux COMMAND --help` says more. Exit codes: docs/exit-codes.md.)";

// Who asked for JSON reads standard output, also when there is no more than an error to say.
int report(const colinux::Failure& failure, bool as_json)
{
    if (as_json)
        std::cout << colinux::error_event(failure) << std::endl;
    else
        std::cerr << "colinux: " << failure.what() << "\n";
    return static_cast<int>(failure.code());
}

// Known before the command line is: what is wrong with that is told in the same way.
bool wants_json(int argc, char** argv)
{
    return argc > 1 && std::any_of(argv + 1, argv + argc, [](std::string_view word) { return word == "--json"; });
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
    colinux::add_definitions(app, exit_code);
    colinux::add_start(app, exit_code);
    colinux::add_service(app, exit_code);
    colinux::add_copies(app, exit_code);
    colinux::add_ps(app, exit_code);
    colinux::add_console(app, exit_code);
    colinux::add_stop_and_kill(app, exit_code);
    colinux::add_wait(app, exit_code);
    colinux::add_exec(app, exit_code);
    colinux::add_copy(app, exit_code);
    colinux::add_logs(app, exit_code);
    colinux::add_stats(app, exit_code);
    colinux::add_memory(app, exit_code);
    colinux::add_report(app, exit_code);
    colinux::add_dump(app, exit_code);
    colinux::add_doctor(app, exit_code);
    colinux::add_graft(app, exit_code);
    colinux::add_image(app, exit_code);
    colinux::add_version(app, exit_code);
    colinux::add_introspection(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0)
            return app.exit(error); // --help, --version
        std::string text = error.what();
        throw colinux::Failure{colinux::ExitCode::Usage, text.substr(0, text.find('\n')) + " (see: colinux --help)"};
    }
    std::cout.flush();
    return exit_code;
} catch (const colinux::Failure& failure) {
    return report(failure, wants_json(argc, argv));
} catch (const std::exception& error) {
    return report(colinux::Failure{colinux::ExitCode::Internal, error.what()}, wants_json(argc, argv));
}
