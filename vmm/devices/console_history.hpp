// SPDX-License-Identifier: GPL-2.0
// ConsoleHistory: the last 256 KiB of a console. A position counts bytes since boot; each reader keeps
// its own and one that falls too far behind finds begin() moved past it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace colinux {

class ConsoleHistory {
public:
    static constexpr std::uint64_t kBytes = 256 << 10;

    std::uint64_t begin() const { return end_ > kBytes ? end_ - kBytes : 0; }
    std::uint64_t end() const { return end_; }

    void append(std::string_view text)
    {
        end_ += text.size();
        text = text.substr(text.size() - std::min<std::uint64_t>(text.size(), kBytes));
        std::uint64_t start = (end_ - text.size()) % kBytes, piece = std::min<std::uint64_t>(text.size(), kBytes - start);
        std::ranges::copy(text.substr(0, piece), bytes_.begin() + static_cast<std::ptrdiff_t>(start));
        std::ranges::copy(text.substr(piece), bytes_.begin());
    }

    // Some of the text from `position` on: up to where the buffer wraps. begin() <= position <= end().
    std::string_view piece(std::uint64_t position) const
    {
        std::uint64_t start = position % kBytes;
        return std::string_view{bytes_}.substr(start, std::min(end_ - position, kBytes - start));
    }

    // Start of the line that is at least `bytes` (0: the current line) before the end.
    std::uint64_t line_start(std::uint64_t bytes) const
    {
        std::uint64_t position = end_ - std::min(bytes, end_ - begin());
        while (position > begin() && bytes_[(position - 1) % kBytes] != '\n')
            position--;
        return position;
    }

private:
    std::string bytes_ = std::string(kBytes, '\0');
    std::uint64_t end_{};
};

} // namespace colinux
