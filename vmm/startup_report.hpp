// SPDX-License-Identifier: GPL-2.0
// StartupReport: what the daemon tells whoever started it, as JSON lines over an inherited pipe:
//   {"event":"progress","text":"memory 40 %"}         any number
//   {"event":"error","code":31,"message":"..."}       the start failed; nothing is left behind
//   {"event":"ready","name":"guest1","pid":4711}      the guest runs, the control socket answers
//   {"event":"restarted"}                             after ready, each time that the guest has rebooted
//   {"event":"ended","code":0,"reason":"powered off"} after ready, if the pipe is still open
// The reader may go away at any time.
#pragma once

#include "control/failure.hpp"
#include "control/guest_end.hpp"
#include "control/unique_fd.hpp"

#include <nlohmann/json.hpp>

#include <mutex>
#include <string>

namespace colinux {

class StartupReport {
public:
    explicit StartupReport(UniqueFd pipe) : pipe_{std::move(pipe)} {} // without one: to standard error, for a person

    void progress(const std::string& text);
    void error(const Failure& failure);
    bool ready(const std::string& name); // false: the starter is gone
    int fd() const { return pipe_.get(); } // -1: none
    void restarted(); // left out while the reader does not read: nobody waits for him
    void ended(const GuestEnd& end);

private:
    bool line(const nlohmann::json& event, const std::string& for_person);

    std::mutex mutex_;
    UniqueFd pipe_;
};

} // namespace colinux
