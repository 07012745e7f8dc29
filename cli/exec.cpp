// SPDX-License-Identifier: GPL-2.0
// `colinux exec` and `colinux shell`: a command in a running guest, by its agent.
#include "cli/agent_session.hpp"
#include "cli/commands.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>

namespace colinux {

namespace {

struct Options {
    std::string name;
    AgentRequest request;
};

bool names_terminal(const std::string& variable) { return variable.starts_with("TERM="); }

int execute(Options options)
{
    AgentRequest& request = options.request;
    for (std::string& variable : request.environment) { // as env's and docker's: without a value it is ours
        if (variable.find('=') != std::string::npos)
            continue;
        const char* value = getenv(variable.c_str());
        variable += value ? std::string{"="} + value : "";
    }
    std::erase_if(request.environment, [](const std::string& variable) { return variable.find('=') == std::string::npos || variable.front() == '='; });
    if (const char* term = getenv("TERM"); request.has_tty && std::ranges::none_of(request.environment, names_terminal))
        request.environment.push_back(std::string{"TERM="} + (term ? term : "linux"));
    UniqueFd connection = connect_to_agent(options.name);
    HeldSignals signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    AgentSession session{std::move(connection), options.name, request, {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, true}, &signals};
    AgentEnd end = session.run();
    if (!end.refusal.empty())
        std::cerr << "colinux: " << end.refusal << "\n";
    return end.code;
}

void add_common(CLI::App& command, Options& options)
{
    command.add_option("-u,--user", options.request.user, "user of the guest, a name or a number (default: root)");
    command.add_option("-w,--workdir", options.request.directory, "folder of the guest to run in (default: the user's home)");
    command.add_option("-e,--env", options.request.environment, "NAME=VALUE for its environment, or NAME: as it is here; several times")
        ->allow_extra_args(false)
        ->type_name("NAME=VALUE");
}

} // namespace

void add_exec(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<Options>();
    CLI::App* exec = app.add_subcommand("exec", "Run a command in a guest");
    exec->footer("\nThe exit code is the command's: 126 when it cannot be run, 127 when there is none of that name, 128 + N after signal N. Signals to\n"
                 "colinux go to it; when colinux is killed it gets SIGHUP. Of the guest's image only its agent is needed: docs/agent.md.\n\nExamples:\n"
                 "  colinux exec web -- systemctl is-system-running --wait\n  colinux exec -i web -- sh -c 'cat >/etc/motd' <motd\n  colinux exec -it web -- top");
    exec->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    exec->add_option("COMMAND", options->request.arguments, "the command and its arguments, behind --")->required();
    exec->add_flag("-i,--interactive", options->request.has_stdin, "give it this standard input; else it has an empty one");
    exec->add_flag("-t,--tty", options->request.has_tty, "give it a terminal");
    add_common(*exec, *options);
    exec->callback([options, &exit_code] {
        if (options->request.arguments.front() == "--") // which some versions of the parser leave there
            options->request.arguments.erase(options->request.arguments.begin());
        if (options->request.arguments.empty())
            throw Failure{ExitCode::Usage, "exec: no command behind -- (see: colinux exec --help)"};
        exit_code = execute(*options);
    });

    auto login = std::make_shared<Options>();
    login->request.has_stdin = login->request.has_tty = true;
    CLI::App* shell = app.add_subcommand("shell", "Log in to a guest: its user's shell, on this terminal");
    shell->footer("\nWithout a password, and without the guest's console or network.\n\nExamples:\n  colinux shell web\n  colinux shell web --user www-data");
    shell->add_option("NAME", login->name, "the guest's name (see: colinux ps)")->required();
    add_common(*shell, *login);
    shell->callback([login, &exit_code] { exit_code = execute(*login); });
}

} // namespace colinux
