// SPDX-License-Identifier: GPL-2.0
// The subcommands of `colinux`. Each function adds one (or a group) to the parser; when that subcommand
// is the chosen one, its callback does the work and leaves the process's exit code in `exit_code`.
// Trouble is thrown as Failure and reported by main().
#pragma once

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
void add_image(CLI::App& app, int& exit_code);
void add_image_commands(CLI::App& image, int& exit_code); // those for the store
void add_version(CLI::App& app, int& exit_code);

} // namespace colinux
