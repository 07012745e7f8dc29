// SPDX-License-Identifier: GPL-2.0
// OriginalOptions: the command line of the original Cooperative Linux's colinux-daemon, understood. docs/colinux-compat.md has every
// option of it and what becomes of it here. Touches no file but through `read_file`, so that all of it can be tested.
#pragma once

#include "control/config.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

struct OriginalOptions {
    enum class Action { Run, Help, InstallService, RemoveService, RunService };

    Action action{Action::Run};
    std::string service;   // the name of a guest that is written down
    MachineConfig config;  // kernel may be empty; command_line: what is not an option, and root=
    bool no_console{};     // -d
    bool quiet{};          // -k
    unsigned verbosity{};  // -v
    std::string pid_file;  // -p
    std::vector<std::string> notes; // what was understood and is otherwise here
};

// `arguments`: without the program's name. File names are as seen from `folder`, where the program was started, also those in an
// @file. Failure: Usage (a bad value), NotHere (what this host cannot do), what `read_file` throws.
OriginalOptions parse_original(const std::vector<std::string>& arguments, const std::string& folder,
                               const std::function<std::string(const std::string&)>& read_file);

// The words of an @file: blanks and line ends part them, but not between quotes, which stay; '#' begins a comment.
std::vector<std::string> original_words(std::string_view file);

} // namespace colinux
