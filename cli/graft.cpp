// SPDX-License-Identifier: GPL-2.0
// `colinux graft`: build the graft for a kernel ABI, list the grafts, say whether a kernel can be taken over.
#include "cli/commands.hpp"
#include "cli/installation.hpp"
#include "cli/subprocess.hpp"
#include "vmm/failure.hpp"
#include "vmm/loader/graft_store.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBuiltGrafts = "/var/cache/colinux/grafts";

struct GraftOptions {
    std::vector<std::string> headers;
    std::string output{kBuiltGrafts};
    std::string kernel;
};

// Of a folder as linux-headers packages install it; empty when it is none.
std::string release_of_headers(const fs::path& headers)
{
    std::ifstream file{headers / "include/config/kernel.release"};
    std::string release;
    std::getline(file, release);
    return release;
}

std::vector<std::string> installed_headers()
{
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{"/usr/src", ignored})
        if (entry.path().filename().string().starts_with("linux-headers-") && !release_of_headers(entry.path()).empty())
            found.push_back(entry.path());
    if (found.empty())
        throw Failure{ExitCode::BuildFailed, "no kernel headers are installed: apt-get install linux-headers-amd64, or give --headers DIR"};
    return found;
}

void build_one(const std::string& headers, const fs::path& output)
{
    std::string release = release_of_headers(headers);
    if (release.empty())
        throw Failure{ExitCode::BuildFailed, headers + " holds no configured kernel headers (include/config/kernel.release is not there)"};
    std::string script = find_shared("tools/build-graft");
    if (script.empty())
        throw Failure{ExitCode::Internal, "tools/build-graft is not installed: run cmake --install again"};
    std::error_code error;
    fs::create_directories(output / release, error);
    if (error)
        throw Failure{ExitCode::NotRoot, "cannot make " + (output / release).string() + ": " + error.message()};
    std::string file = output / release / "graft.o";
    std::cout << "graft for " << release << std::endl;
    if (run_in_foreground({script, headers, file}) != 0) {
        fs::remove(output / release, error); // only when empty
        throw Failure{ExitCode::BuildFailed, "the graft for " + release + " could not be built"};
    }
}

void list()
{
    std::vector<GraftEntry> grafts = list_grafts();
    for (const GraftEntry& graft : grafts)
        std::cout << graft.release << "  " << graft.path.string() << "\n";
    if (grafts.empty())
        std::cerr << "colinux: there is no graft; make one with: colinux graft build\n";
}

void check(const std::string& kernel)
{
    KernelCheck fit = check_kernel(kernel);
    std::cout << kernel << ": kernel " << fit.release << " can be taken over\n"
              << "graft: " << fit.graft_path << "\n"
              << "CPUs: " << (fit.multi_cpu_ok ? "several" : "one only") << "\n"
              << "contiguous memory: " << (fit.contiguous_bytes >> 20) << "M\n";
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
    build->add_option("--out", options->output, "where to put RELEASE/graft.o")->capture_default_str();
    build->callback([options, &exit_code] {
        for (const std::string& headers : options->headers.empty() ? installed_headers() : options->headers)
            build_one(headers, options->output);
        exit_code = 0;
    });

    CLI::App* ls = graft->add_subcommand("ls", "List the grafts that there are");
    ls->footer("\nExample:\n  colinux graft ls");
    ls->callback([&exit_code] {
        list();
        exit_code = 0;
    });

    CLI::App* check_command = graft->add_subcommand("check", "Say whether a kernel can be a guest and, if not, why");
    check_command->footer("\nExit code 0: it can; 30 to 33: it cannot (docs/exit-codes.md).\n\nExample:\n  colinux graft check /boot/vmlinuz-6.1.0-56-amd64");
    check_command->add_option("VMLINUZ", options->kernel, "the kernel's file")->required();
    check_command->callback([options, &exit_code] {
        check(options->kernel);
        exit_code = 0;
    });
}

} // namespace colinux
