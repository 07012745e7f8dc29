// SPDX-License-Identifier: GPL-2.0
// RunDirectory: where running guests are found: /run/colinux, or $COLINUX_RUN_DIR.
//   NAME.sock  control socket, mode 0600      NAME.lock  flock()ed while the daemon lives
//   NAME.log   console text; stays when the guest has ended, for `colinux logs`
// The lock, not the socket, says whether a name is taken: the kernel drops it with the process, so what
// a killed daemon left behind is recognised and swept away.
#pragma once

#include "vmm/sys/linux/unique_fd.hpp"

#include <string>
#include <vector>

namespace colinux {

class RunDirectory {
public:
    RunDirectory(); // from the environment

    // Makes the folder, mode 0700. Failure: NotRoot, Internal.
    void create() const;

    const std::string& path() const { return path_; }
    std::string socket_path(const std::string& name) const { return path_ + "/" + name + ".sock"; }
    std::string lock_path(const std::string& name) const { return path_ + "/" + name + ".lock"; }
    std::string log_path(const std::string& name) const { return path_ + "/" + name + ".log"; }

    // Names of guests whose daemon lives, sorted. Removes the socket and lock of dead ones.
    std::vector<std::string> names() const;

private:
    std::string path_;
};

// A guest's name, held. When it goes, so do the name's socket and lock file.
class NameClaim {
public:
    // An empty name takes the first free of guest1, guest2, ... Failure: NameTaken, Internal.
    NameClaim(const RunDirectory& directory, const std::string& name);
    NameClaim(const NameClaim&) = delete;
    NameClaim& operator=(const NameClaim&) = delete;
    ~NameClaim() { release(); }

    const std::string& name() const { return name_; }
    void release(); // unlinks the files, then drops the lock

private:
    bool try_claim(const std::string& name);

    RunDirectory directory_;
    std::string name_, socket_path_, lock_path_;
    UniqueFd lock_;
};

} // namespace colinux
