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
// With our own standard streams; `to_stderr`: what it says is told on standard error, which is not for programs to read.
int run_in_foreground(const std::vector<std::string>& arguments, bool to_stderr = false);

// Starts it, in a process group of its own, with `fd` as its standard input or output (`as`), the other one empty, our standard error. The
// process id; Failure: CopyFailed, it is not there.
pid_t spawn_with_pipe(const std::vector<std::string>& arguments, int as, int fd);
int wait_for_process(pid_t pid); // as Finished::status

// Whether PATH has `program`.
bool has_program(const std::string& program);
// Failure: ToolMissing.
void need_program(const std::string& program, const std::string& package);

} // namespace colinux
