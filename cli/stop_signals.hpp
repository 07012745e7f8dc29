// SPDX-License-Identifier: GPL-2.0
// StopSignals: SIGINT, SIGTERM and SIGHUP as something to wait for, so that who has made half a thing can take it back. One
// that our parent ignores (nohup, a background job of a script) stays ignored. What waits must wait for fd() too: nothing else
// ends this process by these signals while one of these lives.
#pragma once

#include "control/failure.hpp"
#include "control/unique_fd.hpp"

#include <csignal>
#include <initializer_list>
#include <string_view>

namespace colinux {

// Holds `signals` back, but for those that are ignored, and gives them out one by one.
class HeldSignals {
public:
    HeldSignals(std::initializer_list<int> signals);
    ~HeldSignals() { release(); }
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    int fd() const { return fd_.get(); } // readable when a signal has come
    int take();                          // the signal; 0: none has come
    static void do_default(int signal);  // which is held
    void release();                      // from here on they do what they did before

private:
    sigset_t before_{};
    bool held_{true};
    UniqueFd fd_;
};

class StopSignals : public HeldSignals {
public:
    StopSignals() : HeldSignals{SIGINT, SIGTERM, SIGHUP} {}
    void check(); // Failure: GuestKilled, when one has come
    [[noreturn]] static void interrupted(); // that Failure
};

// Writes all of `text`, however long the reader takes. False: nobody reads any more, or (nothing is taken) a signal came first.
bool write_unless_stopped(int fd, std::string_view text, const HeldSignals& signals);

} // namespace colinux
