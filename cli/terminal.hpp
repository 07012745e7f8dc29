// SPDX-License-Identifier: GPL-2.0
// RawTerminal: the user's terminal passes every key on, until this goes. Does nothing when standard
// input is no terminal (a pipe, a file).
#pragma once

#include <termios.h>

#include <cstdint>

namespace colinux {

class RawTerminal {
public:
    RawTerminal();
    ~RawTerminal() { restore(); }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    bool is_terminal() const { return is_terminal_; }
    void restore();

private:
    bool is_terminal_{}, changed_{};
    termios before_{};
};

struct TerminalSize {
    std::uint16_t rows, columns;
};
TerminalSize terminal_size(); // 0 x 0 when there is no terminal

} // namespace colinux
