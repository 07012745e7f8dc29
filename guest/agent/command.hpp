// SPDX-License-Identifier: GPL-2.0
// Command: a process that runs what a Request asks for, in a session (setsid) of its own, with pipes or a pseudo terminal.
#pragma once

#include "descriptor.hpp"
#include "request.hpp"

#include <sys/types.h>

#include <string>

namespace colinux::agent {

struct Command {
    pid_t pid{-1};
    Descriptor process; // a pidfd: readable when it has ended
    // Ours, none of them blocks. With a terminal all three are one: `input` is the terminal, `output` a copy.
    Descriptor input, output, error;

    // What went wrong, where pid < 0.
    int refusal{};
    std::string why;

    static Command start(const Request& request);
    void signal(int number) const; // to its process group
    void resize(std::uint16_t rows, std::uint16_t columns) const;
};

} // namespace colinux::agent
