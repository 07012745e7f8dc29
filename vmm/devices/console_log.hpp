// SPDX-License-Identifier: GPL-2.0
// ConsoleLog: what a guest printed, in a file that does not grow without end: how it began and what it said last, and
// between them a line that says how many bytes are missing. Not thread-safe.
#pragma once

#include "control/unique_fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace colinux {

// Stands where text is missing.
inline std::string left_out_line(std::uint64_t bytes)
{
    return "\r\ncolinuxd: " + std::to_string(bytes) + " bytes are left out here\r\n";
}

class ConsoleLog {
public:
    static constexpr std::uint64_t kFirstBytes = 256 << 10;
    static constexpr std::uint64_t kLastBytes = 512 << 10; // at least; up to three times that while text is added

    // Begins a new file `path`, mode 0600. Failure: Internal when it cannot be opened.
    explicit ConsoleLog(const std::string& path);

    // A full disk costs text, nothing else.
    void append(std::string_view text);
    std::string text() const;

private:
    void drop_older_half();

    UniqueFd file_;
    std::uint64_t end_{};              // size of the file
    std::uint64_t last_{kFirstBytes};  // where the last part begins, behind the line between
    std::uint64_t left_out_{};
};

} // namespace colinux
