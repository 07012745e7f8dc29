// SPDX-License-Identifier: GPL-2.0
// `colinux dump`: a running guest's memory into a file.
#include "cli/commands.hpp"
#include "cli/control_client.hpp"
#include "cli/stop_signals.hpp"
#include "control/dump_file.hpp"

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

json next_answer(ControlClient& client, const DumpFile& file)
{
    try {
        return client.next_answer();
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::DumpFailed)
            throw;
        throw file.failure(failure.what());
    }
}

// The daemon writes into our file: it may open none itself. If we go, it notices. Returns the signal that came first, or 0.
int write_dump(const Options& options, HeldSignals& stop)
{
    ControlClient client{options.name, kPatience};
    std::string path = std::filesystem::absolute(options.file).lexically_normal().string();
    DumpFile file{path};
    bool person = isatty(STDERR_FILENO);
    client.ask_with(file.fd(), "dump");
    for (;;) {
        if (!client.wait_for_answer(stop.fd()))
            return stop.take();
        json answer = next_answer(client, file);
        if (answer.value("event", "") != "progress")
            break;
        if (person)
            std::cerr << "\rcolinux: dump: " << answer.value("bytes", std::uint64_t{0}) * 100 / answer.value("total", std::uint64_t{1})
                      << " %" << std::flush;
    }
    if (person)
        std::cerr << "\n";
    file.complete();
    return 0;
}

int dump(const Options& options)
{
    HeldSignals stop{SIGINT, SIGTERM, SIGHUP};
    if (int signal = write_dump(options, stop))
        HeldSignals::do_default(signal);
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
