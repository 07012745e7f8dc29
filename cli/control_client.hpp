// SPDX-License-Identifier: GPL-2.0
// ControlClient: one connection to a running guest's control socket. A daemon that is stopped or stuck costs a time-out.
#pragma once

#include "control/protocol.hpp"
#include "control/unique_fd.hpp"

#include <chrono>
#include <string>

namespace colinux {

// Failure{ControlSocket}, as every call may throw it.
class NotAnswering : public Failure {
public:
    explicit NotAnswering(const std::string& name);
};

class ControlClient {
public:
    static constexpr std::chrono::milliseconds kPatience = std::chrono::seconds{10}; // for one answer

    // Failure: NameUnknown (with the names that there are), ControlSocket, NotRoot.
    explicit ControlClient(const std::string& name, std::chrono::milliseconds patience = kPatience);

    // The answer's fields. Waits for it; Failure: ControlSocket, or whatever the daemon reported.
    nlohmann::json call(const nlohmann::json& request);
    nlohmann::json call(const char* name) { return call({{"call", name}}); }
    void ask(const nlohmann::json& request) { send_line(request); } // next_answer() gets the answer
    void ask_with(int descriptor, const char* name); // a call to which an open file belongs; next_answer() gets the answer
    bool wait_for_answer(int or_this); // false: that descriptor is readable first

    nlohmann::json next_answer() { return read_answer(); } // of a call that answers more than once

    // Asks for the guest's last words, now; more calls may follow before wait_for_end() gets them.
    void announce_wait() { send_line({{"call", "wait"}}); }
    // Waits until the guest has ended, as long as that takes (0) or `patience` lasts; empty where its daemon was killed.
    // Failure: ControlSocket (NotAnswering), it has not.
    nlohmann::json wait_for_end(std::chrono::milliseconds patience = std::chrono::milliseconds{0});

    std::string read_bytes(std::size_t count); // raw bytes behind an answer
    // The connection itself, after a `console` call, and console bytes that came with the answer.
    UniqueFd take_connection(std::string& already_read);

private:
    void set_patience(std::chrono::milliseconds patience); // 0: endless
    void send_line(const nlohmann::json& request, int descriptor = -1);
    nlohmann::json read_answer();
    void receive();

    std::string name_;
    UniqueFd fd_;
    std::string received_;
};

} // namespace colinux
