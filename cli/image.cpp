// SPDX-License-Identifier: GPL-2.0
// `colinux image create debian`: a root file system for a guest. The work is guest/debian/create-image's.
#include "cli/commands.hpp"
#include "cli/templates.hpp"
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSmallestImage = 1ull << 30;
constexpr std::uint64_t kSizeUnit = 1ull << 20;

struct ImageOptions {
    std::string output, size, kernel{"linux-image-amd64"};
    bool force{};
};

int create_debian(const ImageOptions& options)
{
    std::uint64_t asked = parse_size(options.size), bytes = asked;
    if (std::uint64_t missing = (kSizeUnit - asked % kSizeUnit) % kSizeUnit; missing <= ~asked)
        bytes += missing;
    if (bytes < kSmallestImage)
        throw Failure{ExitCode::Usage, "size '" + options.size + "': Debian with a stock kernel needs at least " +
                                           size_text(kSmallestImage)};
    if (geteuid() != 0)
        throw Failure{ExitCode::NotRoot, "files of root's are made in the image: run this as root"};
    if (fs::exists(options.output) && !options.force)
        throw Failure{ExitCode::Usage, options.output + " is there already: choose another name, or --force to replace it"};
    fs::path folder = fs::absolute(options.output).parent_path();
    if (!fs::is_directory(folder))
        throw Failure{ExitCode::Usage, "there is no folder " + folder.string()};
    if (bytes != asked)
        std::cerr << "colinux: size " << options.size << " is rounded up to " << size_text(bytes) << "\n";
    int status = make_debian(options.output, bytes, options.kernel, false);
    if (status == 130)
        return 130; // Ctrl-C
    return static_cast<int>(status == 0 ? ExitCode::Success : ExitCode::BuildFailed);
}

} // namespace

void add_image(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<ImageOptions>();
    CLI::App* image = app.add_subcommand("image", "Make, bring in and look after root file systems for guests");
    image->require_subcommand(1);
    CLI::App* create = image->add_subcommand("create", "Make a new image file");
    create->require_subcommand(1);
    CLI::App* debian = create->add_subcommand("debian", "Debian 12 with a stock kernel package, systemd, a login, a network");
    debian->footer(R"(
Packages come from where this machine's apt gets them. Kernel and initramfs are also copied to OUT.boot/, which `run` keeps up to date.
Log in as root, without a password.

Examples:
  colinux image create debian debian.raw --size 2G
  colinux image create debian cloud.raw --size 1G --kernel linux-image-cloud-amd64)");
    debian->add_option("OUT", options->output, "the raw image file to make")->required();
    debian->add_option("--size", options->size, "size of the file system, as 2G; the file is sparse")->required();
    debian->add_option("--kernel", options->kernel, "kernel package")->capture_default_str();
    debian->add_flag("--force", options->force, "replace OUT");
    debian->callback([options, &exit_code] { exit_code = create_debian(*options); });
    add_image_commands(*image, exit_code);
}

} // namespace colinux
