// SPDX-License-Identifier: GPL-2.0
// RawTerminal: the user's terminal passes every key on, from take() until restore() or until this goes. Never touched while
// this process is in the background: that would stop it. Does nothing when standard input is no terminal (a pipe, a file).
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
    bool is_raw() const { return raw_; }
    void take(); // makes it raw, unless this process is in the background
    void restore();
    // This process was stopped: whoever had the terminal meanwhile has made it what he needed.
    void lost() { raw_ = false; }

private:
    bool is_terminal_{}, raw_{}, known_{};
    termios before_{}; // where known
};

struct TerminalSize {
    std::uint16_t rows, columns;
};
TerminalSize terminal_size(); // 0 x 0 when there is no terminal

} // namespace colinux
