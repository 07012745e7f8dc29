// SPDX-License-Identifier: GPL-2.0
// `colinux graft`: build the graft for a kernel ABI, list the grafts, say whether a kernel can be taken over.
#include "cli/commands.hpp"
#include "cli/installation.hpp"
#include "cli/subprocess.hpp"
#include "control/failure.hpp"
#include "control/graft_store.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBuiltGrafts = "/var/cache/colinux/grafts";

struct GraftOptions {
    std::vector<std::string> headers;
    std::string output;
    std::string kernel;
};

// tools/build-grafts does the work. In a checkout it keeps grafts in build/grafts, where nobody looks unless told; an installed one
// has no such folder.
int build_grafts(const GraftOptions& options)
{
    std::string script = find_shared("tools/build-grafts");
    if (script.empty())
        throw Failure{ExitCode::Internal, "tools/build-grafts is not installed: apt-get install colinux-dkms, or run cmake --install again"};
    bool checkout = fs::exists(fs::path{script}.parent_path() / "../CMakePresets.json");
    if (!options.output.empty() || !checkout)
        setenv("COLINUX_GRAFT_STORE", options.output.empty() ? kBuiltGrafts : fs::absolute(options.output).c_str(), 1);
    std::vector<std::string> arguments{script};
    for (const std::string& headers : options.headers)
        arguments.push_back(fs::absolute(headers));
    if (run_in_foreground(arguments) != 0)
        return static_cast<int>(ExitCode::BuildFailed);
    if (options.output.empty() && checkout)
        std::cerr << "colinux: guests find them there with: export COLINUX_GRAFTS=" << fs::weakly_canonical(fs::path{script}.parent_path() / "../build/grafts").string() << "\n";
    return 0;
}

void list()
{
    std::vector<GraftEntry> grafts = list_grafts();
    for (const GraftEntry& graft : grafts)
        std::cout << graft.release << "  " << graft.path.string() << "\n";
    if (grafts.empty())
        std::cerr << "colinux: there is no graft; make one with: colinux graft build\n";
}

} // namespace

void add_graft(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<GraftOptions>();
    CLI::App* graft = app.add_subcommand("graft", "Build and check what makes an unmodified kernel a guest");
    graft->require_subcommand(1);

    CLI::App* build = graft->add_subcommand("build", "Build the graft for each kernel whose headers are installed");
    build->footer("\nExamples:\n  colinux graft build\n  colinux graft build --headers /usr/src/linux-headers-6.1.0-56-amd64");
    build->add_option("--headers", options->headers, "of one kernel (default: all in /usr/src)")->allow_extra_args(false);
    build->add_option("--out", options->output, "folder for RELEASE/graft.o (default: where guests look for grafts)");
    build->callback([options, &exit_code] { exit_code = build_grafts(*options); });

    CLI::App* ls = graft->add_subcommand("ls", "List the grafts that there are");
    ls->footer("\nExample:\n  colinux graft ls");
    ls->callback([&exit_code] {
        list();
        exit_code = 0;
    });

    CLI::App* check_command = graft->add_subcommand("check", "Say whether a kernel can be a guest and, if not, why");
    check_command->footer("\nExit code 0: it can; 30 to 33: it cannot (docs/exit-codes.md).\n\nExample:\n  colinux "
                          "graft check /boot/vmlinuz-6.1.0-56-amd64");
    check_command->add_option("VMLINUZ", options->kernel, "the kernel's file")->required();
    check_command->callback([options, &exit_code] {
        exit_code = run_in_foreground({find_daemon(), "--check-kernel", options->kernel}); // who starts kernels can judge them
    });
}

} // namespace colinux
