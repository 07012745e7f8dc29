// SPDX-License-Identifier: GPL-2.0
// DefinitionReader: from a parsed TOML document to a GuestDefinition, or to all that is wrong with it. One source file
// includes the TOML library for reading: it is slow to compile.
#pragma once

#include "cli/definition.hpp"

#include <optional>

namespace colinux {

struct DefinitionProblem {
    std::size_t line{1}, column{1};
    std::string text;
};

// Where a value, or a key without one, or the head of a [[disk]] stands in the file: lines and columns count from 1.
struct DefinitionPlace {
    std::size_t line{}, column{}, end_line{}, end_column{};
};

struct ReadDefinition {
    GuestDefinition definition;
    std::vector<DefinitionProblem> problems; // in the order of the file; empty: it is good
};

ReadDefinition read_definition(std::string_view toml);

// Where `key` ("memory", "disk[0].path") has its value; nothing: it has none, or the text is no TOML.
std::optional<DefinitionPlace> find_value(std::string_view toml, const std::string& key);
// The line behind which a new value of the first part (empty `table`) or of "disk[0]" may be put; 0: before all lines.
std::optional<std::size_t> line_for_new_value(std::string_view toml, const std::string& table);

} // namespace colinux
