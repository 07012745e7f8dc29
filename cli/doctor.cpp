// SPDX-License-Identifier: GPL-2.0
// `colinux doctor` and `colinux version`.
#include "cli/doctor.hpp"

#include "cli/commands.hpp"
#include "control/failure.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace colinux {

namespace {

const char* level_name(Finding::Level level)
{
    switch (level) {
    case Finding::Level::Ok:
        return "ok";
    case Finding::Level::Warning:
        return "warning";
    case Finding::Level::Problem:
        return "problem";
    }
    return "";
}

void print_json(const std::vector<Finding>& findings, bool fit)
{
    nlohmann::json list = nlohmann::json::array();
    for (const Finding& finding : findings)
        list.push_back({{"code", finding.code},
                        {"level", level_name(finding.level)},
                        {"text", finding.text},
                        {"cure", finding.cure}});
    std::cout << nlohmann::json{{"can_run_guests", fit}, {"findings", list}}.dump(2) << "\n";
}

void print_text(const std::vector<Finding>& findings, bool fit)
{
    for (const Finding& finding : findings) {
        std::cout << std::left << std::setw(9) << level_name(finding.level) << std::setw(20) << finding.code
                  << finding.text << "\n";
        if (!finding.cure.empty())
            std::cout << std::setw(29) << "" << "-> " << finding.cure << "\n";
    }
    std::cout << (fit ? "This machine can run guests.\n" : "This machine cannot run guests now.\n");
}

int diagnose(bool as_json)
{
    std::vector<Finding> findings = examine(look_at_host());
    bool fit = std::ranges::none_of(findings, [](const Finding& finding) { return finding.level == Finding::Level::Problem; });
    as_json ? print_json(findings, fit) : print_text(findings, fit);
    return static_cast<int>(fit ? ExitCode::Success : ExitCode::MachineUnfit);
}

} // namespace

void add_doctor(CLI::App& app, int& exit_code)
{
    auto as_json = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("doctor", "Say whether this machine can run guests and, if not, what to do");
    command->footer("\nExit code 0: it can; 23: it cannot. The codes in the second column are stable: "
                    "docs/doctor.md.\n\nExamples:\n  colinux doctor\n  colinux doctor --json");
    command->add_flag("--json", *as_json, "as one JSON object");
    command->callback([as_json, &exit_code] { exit_code = diagnose(*as_json); });
}

void add_version(CLI::App& app, int& exit_code)
{
    std::string versions = "colinux " COLINUX_VERSION ", driver interface " + std::to_string(CO_ABI_VERSION) + ", passage " +
                           std::to_string(CO_PASSAGE_VERSION);
    app.set_version_flag("--version", versions);
    CLI::App* command = app.add_subcommand("version", "Print the versions of this program and of its interfaces");
    command->footer("\nExample:\n  colinux version");
    command->callback([versions, &exit_code] {
        std::cout << versions << "\n";
        exit_code = 0;
    });
}

} // namespace colinux
