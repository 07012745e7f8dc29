// SPDX-License-Identifier: GPL-2.0
// `colinux memory`: how much memory a running guest has, and another size for it.
#include "cli/commands.hpp"
#include "cli/control_client.hpp"
#include "control/config_text.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

namespace colinux {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::seconds kTell{2};
constexpr std::chrono::seconds kStandstill{60}; // of a guest that does not even say that it cannot go on

struct MemoryOptions {
    std::string name, size;
    bool json{};
};

std::uint64_t bytes_of(const json& memory, const char* key) { return memory.value(key, std::uint64_t{0}); }

void print(const json& memory, bool as_json)
{
    if (as_json) {
        std::cout << memory.dump(2) << "\n";
        return;
    }
    for (const char* key : {"current", "wanted", "initial", "maximum", "minimum"})
        std::cout << key << ": " << size_text(bytes_of(memory, (std::string{key} + "_bytes").c_str())) << "\n";
}

// Until the guest is there, or says that it does no more; the last state.
json follow(ControlClient& client, json memory)
{
    std::uint64_t current = bytes_of(memory, "current_bytes");
    auto changed = Clock::now(), told = changed;
    while (!memory.value("settled", true) && Clock::now() - changed < kStandstill) {
        std::this_thread::sleep_for(kLook);
        memory = client.call("memory");
        if (bytes_of(memory, "current_bytes") != current) {
            current = bytes_of(memory, "current_bytes");
            changed = Clock::now();
        }
        if (Clock::now() - told >= kTell) {
            std::cerr << "colinux: memory: " << size_text(current) << " on the way to " << size_text(bytes_of(memory, "wanted_bytes")) << std::endl;
            told = Clock::now();
        }
    }
    return memory;
}

[[noreturn]] void tell_shortfall(const MemoryOptions& options, const json& memory)
{
    std::uint64_t current = bytes_of(memory, "current_bytes"), wanted = bytes_of(memory, "wanted_bytes");
    std::string cure = current > wanted ? "its kernel has no more blocks of 2M to give: end programs in it, or ask for a larger size"
                                        : "the host has other use for what it gave up: free memory on the host, and give the command again";
    throw Failure{ExitCode::MemoryNotReached, "guest " + options.name + " has " + size_text(current) + ", not " + size_text(wanted) + ": " + cure};
}

void run_memory(const MemoryOptions& options)
{
    json request{{"call", "memory"}};
    if (!options.size.empty())
        request["bytes"] = parse_size(options.size);
    ControlClient client{options.name};
    json memory = client.call(request);
    if (!options.size.empty()) {
        memory = follow(client, std::move(memory));
        if (bytes_of(memory, "current_bytes") != bytes_of(memory, "wanted_bytes"))
            tell_shortfall(options, memory);
    }
    memory.erase("ok");
    print(memory, options.json);
}

} // namespace

void add_memory(CLI::App& app, int& exit_code)
{
    auto options = std::make_shared<MemoryOptions>();
    CLI::App* command = app.add_subcommand("memory", "Show how much memory a running guest has, or make that less and, up to what it started with, more again");
    command->footer("\nExamples:\n  colinux memory guest1\n  colinux memory guest1 256M");
    command->add_option("NAME", options->name, "the guest's name (see: colinux ps)")->required();
    command->add_option("SIZE", options->size, "the size that it is to have, in steps of 2M");
    command->add_flag("--json", options->json, "as JSON");
    command->callback([options, &exit_code] {
        run_memory(*options);
        exit_code = 0;
    });
}

} // namespace colinux
