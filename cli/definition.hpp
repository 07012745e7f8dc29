// SPDX-License-Identifier: GPL-2.0
// GuestDefinition: a guest as its owner wrote it down, /etc/colinux/NAME.toml. docs/config.md has the schema; its keys stand
// in one table, cli/definition_keys.cpp. What the file leaves open (the kernel, mostly) is found when the guest is started.
#pragma once

#include "control/config.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace colinux {

struct GuestDefinition {
    MachineConfig machine; // name: not in the file. kernel may be empty: the first disk's. command_line: what stands behind the default words
    bool autostart{};
};

// All that is wrong with a definition, each "FILE:LINE:COLUMN: what, and what would be right"; empty: nothing. Any bytes may come.
std::vector<std::string> definition_problems(std::string_view toml, const std::string& file);

// Failure: DefinitionInvalid, the first of the problems.
GuestDefinition parse_definition(std::string_view toml, const std::string& file);

// As check_config(); the kernel may be the first disk's.
void check_definition(const GuestDefinition& definition);

// What parse_definition() reads; what is as by default is left out, unless `whole`.
std::string definition_toml(const GuestDefinition& definition, bool whole = false);
nlohmann::json definition_json(const GuestDefinition& definition);

// The file's text with one value changed and all else, comments too, as it was. `key`: "memory", "disk[0].path"; an empty `value`
// takes the key out. Failure: Usage, DefinitionInvalid.
std::string edit_definition(std::string_view toml, const std::string& file, const std::string& key, const std::string& value);

} // namespace colinux
