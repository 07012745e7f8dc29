// SPDX-License-Identifier: GPL-2.0
// ConsoleSession: ties this process's standard streams to a guest's console until the guest ends or
// the user leaves with Ctrl-]. Keys go through unchanged; the terminal's size follows; the terminal is as
// before when run() returns or throws. Nothing is shown before the terminal is ready for an answer.
#pragma once

#include "cli/control_client.hpp"

#include <csignal>

#include <string>

namespace colinux {

class ConsoleSession {
public:
    enum class Outcome { Ended, Detached };
    // What SIGINT, SIGTERM and SIGHUP do: leave the console, or ask the guest to stop (the second
    // signal kills it) and stay until it has.
    enum class OnSignal { Detach, StopGuest };

    // Connects. Signals are held back from here on. Failure as ControlClient.
    ConsoleSession(const std::string& name, OnSignal on_signal);
    ~ConsoleSession();

    Outcome run();

private:
    bool relay_output();                // false: the guest has ended
    bool relay_input(bool is_terminal); // false: Ctrl-]
    bool flush_input();                 // false: the guest has ended
    bool handle_signal();               // false: leave
    void send_size();

    ControlClient control_;
    OnSignal on_signal_;
    unsigned stop_requests_{};
    std::string pending_; // typed, not yet taken by the daemon
    std::string early_;   // printed by the guest, not yet shown
    bool input_open_{true};
    sigset_t signals_before_{};
    UniqueFd console_, signals_;
};

} // namespace colinux
