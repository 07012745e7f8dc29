// SPDX-License-Identifier: GPL-2.0
// A guest's definition, and one change of it: the first line, KEY=VALUE; the rest is the file. What is accepted must survive being
// written and read again, and a change must be what was asked for.
#include "cli/definition.hpp"
#include "control/failure.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

using namespace colinux;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::string text{reinterpret_cast<const char*>(data), size};
    std::size_t line = std::min(text.find('\n'), text.size()), equals = text.find('=');
    try {
        GuestDefinition guest = parse_definition(text, "fuzz.toml");
        if (definition_json(parse_definition(definition_toml(guest), "written.toml")) != definition_json(guest))
            abort();
    } catch (const Failure&) {
        // refused in words: as it should be
    }
    if (equals > line)
        return 0;
    try {
        std::string file = text.substr(std::min(line + 1, text.size()));
        parse_definition(edit_definition(file, "fuzz.toml", text.substr(0, equals), text.substr(equals + 1, line - equals - 1)), "edited.toml");
    } catch (const Failure&) {
        // neither may it throw anything else
    }
    return 0;
}
