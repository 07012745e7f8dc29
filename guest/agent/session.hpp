// SPDX-License-Identifier: GPL-2.0
// Session: one connection of the host's, in a process of its own: reads a request, runs it, carries its streams, says how it ended.
// Keeps what is bounded only: a request, a window of input, some output. When the connection goes, the command gets SIGHUP.
#pragma once

#include "command.hpp"
#include "request.hpp"

#include <poll.h>

#include <array>

namespace colinux::agent {

class Session {
public:
    explicit Session(Descriptor connection);

    void run();

private:
    struct Output {
        Descriptor fd;
        unsigned type;
        std::size_t left; // that may come when the command has ended
    };
    enum Wait { kConnection, kProcess, kInput, kOutput, kError, kWaits };
    using Waits = std::array<pollfd, kWaits>;

    bool read_request();
    void serve();
    void wait(Waits& waits);
    bool receive(); // false: the connection has ended
    bool handle(const Frame& frame);
    bool take_input(const std::string& bytes);
    void feed_input();
    bool read_output(Output& output);
    void note_exit();
    void send(unsigned type, std::string_view payload);
    bool flush();
    void hang_up();
    bool is_over() const { return exited_ && to_send_.empty() && told_; }

    Descriptor connection_;
    FrameReader frames_;
    std::string to_send_;
    Request request_;
    Command command_;
    std::array<Output, 2> outputs_{};
    std::string input_; // at most CO_AGENT_STDIN_WINDOW
    bool input_ends_{}; // behind that
    bool input_closed_{};
    bool exited_{}, told_{};
    int status_{};
};

} // namespace colinux::agent
