// SPDX-License-Identifier: GPL-2.0
// ConsoleHub: between the guest's console and the people who look at it. What the guest prints goes to
// a log file, to the history, and to every attached client at that client's own pace; what any client
// types goes to the primary endpoint. The hub has one thread; attach(), resize(), output() and stop()
// may be called from any.
//
// A client that attaches is shown what nobody has seen yet, at least the last few lines.
#pragma once

#include "vmm/devices/console_endpoint.hpp"
#include "vmm/devices/console_history.hpp"
#include "vmm/sys/linux/event_loop.hpp"
#include "vmm/sys/linux/unique_fd.hpp"

#include <cstdint>
#include <list>
#include <string>
#include <vector>

namespace colinux {

class ConsoleHub final : private PollSource {
public:
    // Appends to the file `log_path`, mode 0600; "" = no log. Failure: Internal when it cannot be opened.
    // `primary` outlives the hub.
    ConsoleHub(ConsoleEndpoint& primary, const std::string& log_path);
    ~ConsoleHub(); // stop()

    void start() { loop_.start(); }
    // Takes what the guest printed last, gives the clients a moment to read it, and closes them.
    void stop();

    // Bytes flow both ways over `client`, a socket, from now on; `typed` is input that came already.
    void attach(UniqueFd client, std::string typed = "");
    void resize(std::uint16_t rows, std::uint16_t columns);
    // Text of another, secondary console; its device must be stopped before the hub.
    void output(std::string_view text);

private:
    struct Client {
        UniqueFd fd;
        std::uint64_t position; // in the history: what it has got so far
        bool input_ended{};
    };

    void prepare(std::vector<pollfd>& descriptors, int& timeout_ms) override;
    void dispatch(std::span<const pollfd> descriptors) override;

    void add_text(std::string_view text);
    void add_client(UniqueFd fd, const std::string& typed);
    bool read_from(Client& client);
    bool send_to(Client& client);
    void feed_input();
    void say_goodbye();

    ConsoleEndpoint& primary_;
    UniqueFd log_;
    ConsoleHistory history_;
    std::uint64_t seen_{};     // up to here some client has got the text
    std::list<Client> clients_;
    std::string input_;        // typed, not yet taken by the primary
    EventLoop loop_{"console"}; // last: its thread ends first
};

} // namespace colinux
