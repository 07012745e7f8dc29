// SPDX-License-Identifier: GPL-2.0
// An @file of the original's colinux-daemon. What is accepted must be a guest that can be written down and read again.
#include "cli/definition.hpp"
#include "cli/original_options.hpp"
#include "control/failure.hpp"

#include <cstdint>
#include <cstdlib>

using namespace colinux;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::string text{reinterpret_cast<const char*>(data), size};
    try {
        OriginalOptions options = parse_original({"@file"}, "/here", [&](const std::string&) { return text; });
        GuestDefinition guest{options.config, false};
        check_definition(guest);
        if (definition_json(parse_definition(definition_toml(guest), "written.toml")) != definition_json(guest))
            abort();
    } catch (const Failure&) {
        // refused in words: as it should be
    }
    return 0;
}
