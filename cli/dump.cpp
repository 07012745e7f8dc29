// SPDX-License-Identifier: GPL-2.0
// `colinux dump`: a running guest's memory into a file.
#include "cli/commands.hpp"
#include "cli/control_client.hpp"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>

namespace colinux {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds kPatience{60}; // for each sign of life: the guest's CPUs have to leave it, the disk may be slow

struct Options {
    std::string name, file;
};

// The daemon writes the file. If we go (Ctrl-C), it notices, and removes what it has written.
int dump(const Options& options)
{
    ControlClient client{options.name, kPatience};
    bool person = isatty(STDERR_FILENO);
    json answer = client.call({{"call", "dump"}, {"file", std::filesystem::absolute(options.file).lexically_normal().string()}});
    while (answer.value("event", "") == "progress") {
        if (person)
            std::cerr << "\rcolinux: dump: " << answer.value("bytes", std::uint64_t{0}) * 100 / answer.value("total", std::uint64_t{1})
                      << " %" << std::flush;
        answer = client.next_answer();
    }
    if (person)
        std::cerr << "\n";
    return 0;
}

} // namespace

void add_dump(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("dump", "Write a guest's memory and registers to a file, for crash and gdb");
    command->footer("\nThe guest stands still meanwhile. The file is an ELF core like the kernel's own crash dumps; pages of zeros\n"
                    "take no room in it. Open it with the kernel's debug symbols (package linux-image-...-dbg); docs/debugging.md.\n"
                    "A guest that crashes is dumped by: colinux run --crash-dump FILE\n\nExample:\n"
                    "  colinux dump guest1 guest1.vmcore\n"
                    "  crash /usr/lib/debug/boot/vmlinux-6.1.0-47-amd64 guest1.vmcore");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    command->add_option("FILE", options->file, "where to; there only when it is complete")->required();
    command->callback([options, &exit_code] { exit_code = dump(*options); });
}

} // namespace colinux
