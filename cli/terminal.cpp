// SPDX-License-Identifier: GPL-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace colinux {

namespace {

// Without job control (no controlling terminal) everybody is.
bool in_foreground()
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);
    return foreground < 0 || foreground == getpgrp();
}

} // namespace

RawTerminal::RawTerminal() : is_terminal_{isatty(STDIN_FILENO) == 1} {}

void RawTerminal::take()
{
    if (!is_terminal_ || raw_ || !in_foreground())
        return;
    known_ = known_ || tcgetattr(STDIN_FILENO, &before_) == 0;
    termios raw = before_;
    cfmakeraw(&raw);
    raw_ = known_ && tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0; // not ...DRAIN, here and below: it waits for who reads
}

void RawTerminal::restore()
{
    if (raw_ && in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    raw_ = false;
}

TerminalSize terminal_size()
{
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return {0, 0};
    return {size.ws_row, size.ws_col};
}

} // namespace colinux
