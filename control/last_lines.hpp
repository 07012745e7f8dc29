// SPDX-License-Identifier: GPL-2.0
// last_lines(): the end of a log, for the daemon's log of a guest that runs and the command's of one that has ended.
#pragma once

#include <cstdint>
#include <string_view>

namespace colinux {

inline constexpr std::uint64_t kAllLines = UINT64_MAX;

// The last `lines` of `text`. What stands behind the last newline, a prompt, is a line too.
inline std::string_view last_lines(std::string_view text, std::uint64_t lines)
{
    if (lines == 0)
        return {};
    std::size_t at = text.size();
    if (text.ends_with('\n'))
        at--;
    for (; at > 0; at--)
        if (text[at - 1] == '\n' && --lines == 0)
            break;
    return text.substr(at);
}

} // namespace colinux
