// SPDX-License-Identifier: GPL-2.0
// The subcommands of `colinux`. Each function adds one (or a group) to the parser; when that subcommand
// is the chosen one, its callback does the work and leaves the process's exit code in `exit_code`.
// Trouble is thrown as Failure and reported by main().
#pragma once

#include <array>

namespace CLI {
class App;
}

namespace colinux {

void add_run(CLI::App& app, int& exit_code);
void add_definitions(CLI::App& app, int& exit_code);
void add_start(CLI::App& app, int& exit_code);
void add_service(CLI::App& app, int& exit_code);
void add_copies(CLI::App& app, int& exit_code);
void add_ps(CLI::App& app, int& exit_code);
void add_console(CLI::App& app, int& exit_code);
void add_stop_and_kill(CLI::App& app, int& exit_code);
void add_logs(CLI::App& app, int& exit_code);
void add_stats(CLI::App& app, int& exit_code);
void add_memory(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);
void add_dump(CLI::App& app, int& exit_code);
void add_copy(CLI::App& app, int& exit_code);
void add_exec(CLI::App& app, int& exit_code);
void add_doctor(CLI::App& app, int& exit_code);
void add_graft(CLI::App& app, int& exit_code);
void add_kernel(CLI::App& app, int& exit_code);
void add_image(CLI::App& app, int& exit_code);
void add_image_commands(CLI::App& image, int& exit_code); // those for the store
void add_version(CLI::App& app, int& exit_code);
void add_wait(CLI::App& app, int& exit_code);

// All of them, in the order of --help
inline constexpr auto kCommands = std::array{
    add_run,  add_definitions, add_start, add_service, add_copies, add_ps,   add_console, add_stop_and_kill, add_wait,  add_exec,
    add_copy, add_logs,        add_stats, add_memory,  add_report, add_dump, add_doctor,  add_graft,         add_kernel, add_image, add_version,
};

} // namespace colinux
