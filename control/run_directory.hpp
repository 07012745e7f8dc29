// SPDX-License-Identifier: GPL-2.0
// RunDirectory: where running guests are found: /run/colinux, or $COLINUX_RUN_DIR.
//   NAME.sock  control socket, mode 0600      NAME.lock  flock()ed while the daemon lives; its pid
// And where their console's text is: /var/log/colinux, or $COLINUX_LOG_DIR, or the former where that is chosen.
//   NAME.log   of the guest that runs or ran last, for `colinux logs`      NAME.log.1   of the one before it
//   NAME.report   what is known of how it crashed, or that it hangs, for `colinux report`; else empty   NAME.report.1   likewise
// The lock, not the socket, says whether a name is taken: the kernel drops it with the process, so what
// a killed daemon left behind is recognised and swept away.
#pragma once

#include "control/unique_fd.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace colinux {

class RunDirectory {
public:
    RunDirectory(); // from the environment

    static constexpr std::size_t kKeptLogs = 100; // names of ended guests whose logs stay

    // Makes both folders, mode 0700. Failure: NotRoot, Internal.
    void create() const;

    const std::string& path() const { return path_; }
    const std::string& log_folder() const { return log_folder_; }
    std::string socket_path(const std::string& name) const { return path_ + "/" + name + ".sock"; }
    std::string lock_path(const std::string& name) const { return path_ + "/" + name + ".lock"; }
    std::string log_path(const std::string& name) const { return log_folder_ + "/" + name + ".log"; }
    std::string previous_log_path(const std::string& name) const { return log_path(name) + ".1"; }
    std::string report_path(const std::string& name) const { return log_folder_ + "/" + name + ".report"; }
    std::string previous_report_path(const std::string& name) const { return report_path(name) + ".1"; }

    // Makes way for log and report of a new guest `name`, which the caller has claimed: the last one's become the previous one's,
    // and of ended guests only the latest kKeptLogs keep theirs. So whatever guests print and however they are called, it has an end.
    void rotate_logs(const std::string& name) const;

    // Names of guests whose daemon lives, sorted. Removes the socket and lock of dead ones.
    std::vector<std::string> names() const;
    bool is_taken(const std::string& name) const; // by a daemon that lives, be it that it only starts
    // Sends a signal to the daemon that holds the name; false: there is none.
    bool signal_daemon(const std::string& name, int signal) const;
    pid_t pid_of_daemon(const std::string& name) const; // 0: none

private:
    std::string path_, log_folder_;
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
