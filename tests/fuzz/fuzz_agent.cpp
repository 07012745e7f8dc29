// SPDX-License-Identifier: GPL-2.0
// Any bytes as the agent's frames, and their payload, or the bytes themselves, as a request.
#include "request.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

using namespace colinux::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes)
{
    const char* text = reinterpret_cast<const char*>(data);
    std::string why, payloads;
    parse_request({text, bytes}, why);
    FrameReader reader;
    for (std::size_t at = 0; at < bytes && !reader.is_damaged(); at += 7) {
        reader.add(text + at, std::min<std::size_t>(7, bytes - at));
        while (std::optional<Frame> frame = reader.next()) {
            number_in(frame->payload, 4);
            payloads += frame->payload;
        }
    }
    parse_request(payloads, why);
    return 0;
}
