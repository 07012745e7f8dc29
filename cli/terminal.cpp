// SPDX-License-Identifier: GPL-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace colinux {

RawTerminal::RawTerminal()
{
    is_terminal_ = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_terminal_)
        return;
    termios raw = before_;
    cfmakeraw(&raw);
    changed_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void RawTerminal::restore()
{
    if (changed_)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    changed_ = false;
}

TerminalSize terminal_size()
{
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return {0, 0};
    return {size.ws_row, size.ws_col};
}

} // namespace colinux
