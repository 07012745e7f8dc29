// SPDX-License-Identifier: GPL-2.0
// FileConfinement: from here on files are made, removed, renamed or opened for writing in the named folders only (Landlock). What is open stays
// as it is, and so does reading. A system call filter cannot do that: names lie in memory, where it does not look.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/sys/linux/privileges.hpp"

#include <string>
#include <vector>

namespace colinux {

class FileConfinement {
public:
    struct Folder {
        std::string path;
        bool write; // else files may only be removed from it
    };

    // While the folders can still be reached. A kernel without Landlock confines nothing. Failure: Privileges.
    explicit FileConfinement(const std::vector<Folder>& folders);
    void apply(const Everywhere& everywhere) const; // to all threads and those that they make. Failure: Privileges

private:
    bool apply_here() const;

    UniqueFd rules_; // none: a kernel without Landlock
};

} // namespace colinux
