// SPDX-License-Identifier: GPL-2.0
// GdbSession: one connected gdb: its packets and what they do to a DebugTarget ("Debugging with gdb", appendix E; all-stop mode). CPU n
// is thread n + 1. Knows no socket and no thread: bytes come in by received(), go out by `send`.
#pragma once

#include "vmm/gdb/debug_target.hpp"
#include "vmm/gdb/packet.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace colinux {

class GdbSession {
public:
    using Send = std::function<void(const std::string&)>;

    GdbSession(DebugTarget& target, Send send); // the guest stands still from here on
    ~GdbSession();                              // it runs on, without breakpoints
    GdbSession(const GdbSession&) = delete;
    GdbSession& operator=(const GdbSession&) = delete;

    void received(std::string_view bytes);
    void look();                 // the target has a trap
    void guest_ended(int code);  // gdb hears it
    bool over() const { return over_; } // detached, killed, or nonsense: close the connection

    // One CPU steps while others are held, which it may be waiting for. When that lasts, those go on, too.
    bool steps_alone() const { return steps_alone_; }
    void let_others_go();

private:
    struct Word; // a prefix of packets and who answers them

    void packet(const std::string& text);
    void answer(std::string text);
    void say(const std::string& text);
    std::string dispatch(std::string_view text);
    std::string error(std::string_view why) const;

    std::string stop_reply() const;
    void interrupted();
    void stopped(std::optional<DebugTarget::Trap> trap);

    std::string supported(std::string_view rest);
    std::string no_acknowledgements(std::string_view rest);
    std::string description(std::string_view rest);
    std::string first_threads(std::string_view rest);
    std::string thread_name(std::string_view rest);
    std::string monitor(std::string_view rest);
    std::string select(std::string_view rest);
    std::string is_alive(std::string_view rest);
    std::string read_all_registers(std::string_view rest);
    std::string write_all_registers(std::string_view rest);
    std::string read_register(std::string_view rest);
    std::string write_register(std::string_view rest);
    std::string read_memory(std::string_view rest);
    std::string write_memory(std::string_view rest);
    std::string write_binary(std::string_view rest);
    std::string insert(std::string_view rest);
    std::string remove(std::string_view rest);
    std::string resume(std::string_view rest); // vCont
    std::string resume_one(DebugTarget::Go how, std::string_view rest);
    std::string detach(std::string_view rest);
    std::string kill(std::string_view rest);
    std::string go(const std::vector<DebugTarget::Go>& how);
    std::optional<unsigned> cpu_of(std::string_view thread) const; // of a running one

    DebugTarget& target_;
    Send send_;
    PacketParser parser_;
    std::string last_packet_;
    bool acknowledges_{true}, knows_swbreak_{}, running_{}, over_{}, gone_{}, steps_alone_{};
    unsigned cpu_{}; // that packets are about
    unsigned stopped_cpu_{};
    int signal_;
    bool at_breakpoint_{};
    std::vector<DebugTarget::Go> how_; // it was resumed
};

} // namespace colinux
