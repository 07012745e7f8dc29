// SPDX-License-Identifier: GPL-2.0
// ConsoleHub: between the guest's console and the people who look at it. What the guest prints goes to
// a log file, to the history, and to every attached client at that client's own pace; what any client
// types goes to the primary endpoint. The hub has one thread; attach(), follow(), resize(), output(), log_text()
// and stop() may be called from any.
//
// A client that attaches is shown what nobody has seen yet, at least the last few lines. One that follows is no console: it
// gets the log, then what is printed, types nothing, and what it misses by being slow is told.
#pragma once

#include "control/unique_fd.hpp"
#include "vmm/devices/console_endpoint.hpp"
#include "vmm/devices/console_history.hpp"
#include "vmm/devices/console_log.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

class ConsoleHub final : private PollSource {
public:
    // `primary` outlives the hub, or its place there.
    explicit ConsoleHub(ConsoleEndpoint& primary);
    ~ConsoleHub(); // stop()

    // The guest reboots: takes what it printed last, then is without an endpoint until the next one is there. Clients, history and
    // log stay; the next endpoint gets the size that was set last.
    void disconnect();
    void connect(ConsoleEndpoint& primary);

    // Keeps what is printed in the file `path` from now on; before start(). Failure: Internal when it cannot be opened.
    void begin_log(const std::string& path) { log_.emplace(path); }
    void start() { loop_.start(); }
    // Takes what the guest printed last, gives the clients a moment to read it, and closes them.
    void stop();

    // Bytes flow both ways over `client`, a socket, from now on; `typed` is input that came already.
    void attach(UniqueFd client, std::string typed = "");
    // The last `lines` of the log, then what is printed, flow to `client`, a socket.
    void follow(UniqueFd client, std::uint64_t lines);
    std::string log_text();
    void resize(std::uint16_t rows, std::uint16_t columns);
    // Text of another, secondary console; its device must be stopped before the hub.
    void output(std::string_view text);

private:
    struct Client {
        UniqueFd fd;
        std::uint64_t position; // in the history: what it has got so far
        bool input_ended{};
        bool follows{};
        std::string before{};   // goes out before the text at `position`
        std::uint64_t missed{}; // bytes that had left the history when it was ready for them; not told yet
    };

    void prepare(std::vector<pollfd>& descriptors, int& timeout_ms) override;
    void dispatch(std::span<const pollfd> descriptors) override;

    void add_text(std::string_view text);
    void add_client(UniqueFd fd, const std::string& typed);
    bool read_from(Client& client);
    bool send_to(Client& client);
    bool send_before(Client& client);
    bool is_behind(const Client& client) const;
    void feed_input();
    void say_goodbye();

    ConsoleEndpoint* primary_{};
    std::uint16_t rows_{}, columns_{}; // 0: not set yet
    std::optional<ConsoleLog> log_;
    ConsoleHistory history_;
    std::uint64_t seen_{};     // up to here some client has got the text
    std::list<Client> clients_;
    std::string input_;        // typed, not yet taken by the primary
    EventLoop loop_{"console"}; // last: its thread ends first
};

} // namespace colinux
