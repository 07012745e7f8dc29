// SPDX-License-Identifier: GPL-2.0
// The guest's configuration as JSON, and the small languages of the command line. What is accepted must
// survive being written and read again.
#include "control/config_text.hpp"
#include "control/failure.hpp"

#include <cstdint>
#include <cstdlib>

using namespace colinux;

namespace {

template <typename Parser>
void try_parser(Parser parser)
{
    try {
        parser();
    } catch (const Failure&) {
        // refused in words: as it should be
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::string_view text{reinterpret_cast<const char*>(data), size};
    try_parser([&] {
        std::string written = config_to_json(config_from_json(text));
        if (config_to_json(config_from_json(written)) != written)
            abort();
    });
    try_parser([&] {
        std::uint64_t bytes = parse_size(text);
        if (parse_size(size_text(bytes)) != bytes)
            abort();
    });
    try_parser([&] { parse_disk(text); });
    try_parser([&] { parse_net(text); });
    try_parser([&] { parse_watchdog(text); });
    try_parser([&] { parse_gdb(text); });
    try_parser([&] { check_name(text); });
    return 0;
}
