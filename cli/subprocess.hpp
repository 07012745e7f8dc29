// SPDX-License-Identifier: GPL-2.0
// Running another program: an argument vector, never a shell.
#pragma once

#include <string>
#include <vector>

namespace colinux {

struct Finished {
    int status{}; // exit status, 128 + signal, or 127 when the program is not there
    std::string output;
};

Finished run_and_capture(const std::vector<std::string>& arguments); // standard output; standard error is dropped
int run_in_foreground(const std::vector<std::string>& arguments);    // with our own standard streams

// Whether PATH has `program`.
bool has_program(const std::string& program);

} // namespace colinux
