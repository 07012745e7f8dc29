// SPDX-License-Identifier: GPL-2.0
// ConsoleSession: ties this process's standard streams to a guest's console until the guest ends or
// the user leaves with Ctrl-]. Keys go through unchanged; the terminal's size follows; the terminal is as
// before when run() returns or throws, and while this process is stopped (SIGTSTP). Nothing is shown before the terminal is
// ready for an answer. In the background the console is shown, the terminal left alone.
#pragma once

#include "cli/control_client.hpp"
#include "cli/patient_output.hpp"
#include "cli/stop_signals.hpp"
#include "cli/terminal.hpp"

#include <unistd.h>

#include <functional>
#include <string>

namespace colinux {

class ConsoleSession {
public:
    enum class Outcome { Ended, Detached };

    // Connects. What comes by `stop` leaves the console, or, where there is one, calls `on_stop`, and stays until the guest
    // has ended. Failure as ControlClient.
    ConsoleSession(const std::string& name, StopSignals& stop, std::function<void()> on_stop = {});

    Outcome run();

private:
    bool relay_output();                // false: the guest has ended
    bool relay_input();                 // false: Ctrl-]
    bool flush_input();                 // false: the guest has ended
    void show();                        // as much as the reader takes
    void show_rest();
    bool handle_stop();                 // false: leave
    void handle_terminal_signal();
    void send_size();

    ControlClient control_;
    StopSignals& stop_;
    std::function<void()> on_stop_;
    bool asked_to_stop_{};
    HeldSignals terminal_signals_{SIGWINCH, SIGTSTP, SIGCONT};
    RawTerminal terminal_;
    PatientOutput output_{STDOUT_FILENO};
    std::string pending_; // typed, not yet taken by the daemon
    std::string shown_;   // printed by the guest, not yet taken by our reader
    bool input_open_{true}, output_open_{true};
    UniqueFd console_;
};

} // namespace colinux
