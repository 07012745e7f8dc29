// SPDX-License-Identifier: GPL-2.0
// DefinitionStore: where the guests that are written down lie: /etc/colinux/NAME.toml, or in $COLINUX_CONFIG_DIR; and what
// belongs to each: /var/lib/colinux/NAME/, or in $COLINUX_STATE_DIR. A file is there whole or not at all, also after a crash.
#pragma once

#include "cli/definition.hpp"
#include "control/unique_fd.hpp"

#include <string>
#include <vector>

namespace colinux {

class DefinitionStore {
public:
    DefinitionStore(); // from the environment

    const std::string& folder() const { return folder_; }
    std::string path(const std::string& name) const { return folder_ + "/" + name + ".toml"; }
    std::string state_folder(const std::string& name) const { return state_folder_ + "/" + name; }

    std::vector<std::string> names() const; // sorted; good or not
    bool contains(const std::string& name) const;

    // Failure: Usage (no name), NameUnknown (with the names that there are), NotRoot, DefinitionInvalid.
    std::string text(const std::string& name) const;
    GuestDefinition load(const std::string& name) const;

    // Who changes something holds this from looking to writing.
    UniqueFd lock() const; // makes the folder. Failure: NotRoot, NotSaved

    // Failure: NameTaken, NotSaved.
    void create(const std::string& name, const std::string& text) const;
    void replace(const std::string& name, const std::string& text) const;
    void remove(const std::string& name) const;

private:
    void write(const std::string& name, const std::string& text, unsigned rename_flags) const;

    std::string folder_, state_folder_;
};

// A name for a new definition. Failure: Usage; also where it is one that `run` gives.
void check_new_name(const std::string& name);

std::string read_definition_file(const std::string& path); // Failure: NotRoot, NameUnknown, DefinitionInvalid (too large)

} // namespace colinux
