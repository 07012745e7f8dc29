// SPDX-License-Identifier: GPL-2.0
// AgentSession: runs one command in a guest by its agent (include/colinux/agent.h): carries streams and signals until it has ended.
// Speaks over any stream socket; connect_to_agent() gets one of a guest's.
#pragma once

#include "cli/patient_output.hpp"
#include "cli/stop_signals.hpp"
#include "cli/terminal.hpp"
#include "control/unique_fd.hpp"

#include <colinux/agent.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colinux {

struct AgentRequest {
    std::vector<std::string> arguments; // none: the user's login shell
    std::vector<std::string> environment; // NAME=VALUE
    std::string user, directory;          // empty: root, its home
    bool has_stdin{}, has_tty{};
};

// Failure: NameUnknown, ControlSocket, NoAgent.
UniqueFd connect_to_agent(const std::string& guest);

// What came of a command.
struct AgentEnd {
    int code{};
    std::string refusal; // why it never ran; empty: it did
};

class AgentSession {
public:
    struct Streams {
        int input, output, error;
        bool is_users{}; // this process's own: `input` may be its terminal
        std::function<void()> before_input_ends{}; // may throw: then the command hears of no end, but gets SIGHUP
    };

    // Forwards what `signals` holds: SIGWINCH as a size, others as signals; nullptr: none.
    AgentSession(UniqueFd connection, const std::string& guest, const AgentRequest& request, Streams streams, HeldSignals* signals);

    // Failure: AgentLost; GuestKilled, when one signal after the other does not reach the guest.
    AgentEnd run();

private:
    void send(unsigned type, std::string_view payload);
    void send_request(const AgentRequest& request);
    void send_size();
    void wait_and_relay();
    bool flush();   // false: the connection has ended
    bool receive(); // likewise
    void handle_frames();
    void handle(unsigned type, std::string_view payload);
    void handle_signal();
    void read_input();
    bool show(PatientOutput& output, std::string& text); // false: nobody reads it
    bool is_behind() const;
    std::uint32_t number_in(std::string_view payload, std::size_t offset) const;
    [[noreturn]] void lost(const char* why) const;

    UniqueFd connection_;
    std::string guest_;
    Streams streams_;
    HeldSignals* signals_;
    bool has_tty_;
    bool input_open_;
    std::optional<RawTerminal> terminal_; // where the user types at one
    PatientOutput output_, error_;
    std::string to_send_, received_, to_output_, to_error_;
    std::uint32_t window_{CO_AGENT_STDIN_WINDOW};
    unsigned signals_on_the_way_{};
    int signal_on_the_way_{};
    std::optional<AgentEnd> end_;
};

} // namespace colinux
