// SPDX-License-Identifier: GPL-2.0
// Running another program: an argument vector, never a shell.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace colinux {

class StopSignals;

struct Finished {
    int status{}; // exit status, 128 + signal, or 127 when the program is not there
    std::string output;
};

// Standard output; standard error is dropped. A signal that `stop` holds ends the program. Failure then: GuestKilled.
Finished run_and_capture(const std::vector<std::string>& arguments, StopSignals* stop = nullptr);
int run_in_foreground(const std::vector<std::string>& arguments);    // with our own standard streams

// Starts it, in a process group of its own, with `fd` as its standard input or output (`as`), the other one empty, our standard error. The
// process id; Failure: CopyFailed, it is not there.
pid_t spawn_with_pipe(const std::vector<std::string>& arguments, int as, int fd);
int wait_for_process(pid_t pid); // as Finished::status

// Whether PATH has `program`.
bool has_program(const std::string& program);

} // namespace colinux
