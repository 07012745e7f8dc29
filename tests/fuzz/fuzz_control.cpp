// SPDX-License-Identifier: GPL-2.0
// The control socket's two sides: requests cut out of a byte stream in pieces, and answers.
#include "control/protocol.hpp"

#include <cstdint>

using namespace colinux;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    std::size_t piece = data[0] + 1u;
    std::string_view stream{reinterpret_cast<const char*>(data) + 1, size - 1};
    LineBuffer lines;
    try {
        for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size()))) {
            lines.add(stream.substr(0, piece));
            while (auto line = lines.next()) {
                try {
                    parse_request(*line);
                } catch (const Failure& failure) {
                    answer(failure);
                }
                try {
                    parse_answer(*line);
                } catch (const Failure&) {
                    // refused in words: as it should be
                }
            }
        }
    } catch (const Failure&) {
        // the line was too long
    }
    return 0;
}
