// SPDX-License-Identifier: GPL-2.0
// What the command knows about itself, from the same tables that it reads its command line by: completion for shells, and its
// manual page. Neither can be older than the options.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace colinux {

struct Candidate {
    std::string word, description;
    bool operator==(const Candidate&) const = default;
};

// What may stand in place of the last of `words`, which is the beginning of it; the others stand before, without the program's
// name. None: a file. `guests`, `images`: the names that there are.
std::vector<Candidate> completions(const CLI::App& app, const std::vector<std::string>& words, const std::vector<std::string>& guests,
                                   const std::vector<std::string>& images = {});

std::string manual_page(const CLI::App& app, const std::string& version); // roff, section 1

// `colinux complete WORD...` and `colinux manual`, for the scripts of packaging/completions and for the build; not in --help.
void add_introspection(CLI::App& app, int& exit_code);

} // namespace colinux
