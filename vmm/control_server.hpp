// SPDX-License-Identifier: GPL-2.0
// ControlServer: the daemon's end of the control socket (NAME.sock). Answers requests on one thread;
// a `console` request hands its connection over as a byte stream, and so do `connect` and `logs` that follows; `wait` is answered when the
// guest ends.
// Clients are root's processes, but may be slow, wrong or gone at any moment.
#pragma once

#include "control/guest_end.hpp"
#include "control/protocol.hpp"
#include "control/unique_fd.hpp"
#include "vmm/dump_progress.hpp"
#include "vmm/sys/linux/event_loop.hpp"

#include <atomic>
#include <list>
#include <optional>
#include <string>
#include <thread>

namespace colinux {

// What can be asked of a guest. Called on the server's thread.
class ControlTarget {
public:
    virtual ~ControlTarget() = default;
    virtual nlohmann::json status() = 0;
    virtual nlohmann::json stats() = 0;
    // The guest's memory; with `wanted` it is asked to have that much, which takes its time. Failure: MemorySize, MemoryFixed.
    virtual nlohmann::json memory(std::optional<std::uint64_t> wanted) = 0;
    virtual nlohmann::json report() = 0; // the guest stands still for a moment
    // Writes the guest's memory into the empty `file`, which takes long; on a thread of its own. Failure: DumpFailed, also where
    // `progress` says no.
    virtual void dump(int file, const DumpProgress& progress) = 0;
    // In order; does not wait. A guest that does not hear it (it may still be booting) is asked again while `patience` lasts.
    virtual void stop(std::chrono::seconds patience) = 0;
    virtual void kill() = 0; // at once; does not wait
    virtual std::string logs() = 0;
    // From now on `connection` carries the log's last `lines`, then what the guest prints. Must not throw.
    virtual void follow_logs(UniqueFd connection, std::uint64_t lines) = 0;
    virtual void resize(std::uint16_t rows, std::uint16_t columns) = 0;
    // From now on `connection` carries the console's bytes both ways; `typed` came behind the request.
    // Must not throw.
    virtual void attach_console(UniqueFd connection, const std::string& typed) = 0;
    // `connection` gets the answer, then carries a stream to the guest's vsock port; `early` came behind the request. Takes `connection` unless it
    // throws. Failure: ControlSocket.
    virtual void connect_port(UniqueFd& connection, std::uint32_t port, const std::string& early) = 0;
};

class ControlServer {
public:
    // Listens at `socket_path`, mode 0600. Failure: Internal.
    ControlServer(const std::string& socket_path, ControlTarget& target);
    ~ControlServer();

    void start() { loop_.start(); }
    // From now on nobody is listened to, and a dump is abandoned: the target may go.
    void pause();
    // Tells everybody who waits how the guest ended, then closes all connections and ends the thread.
    // After pause().
    void finish(const GuestEnd& end);

private:
    struct Connection {
        UniqueFd fd;
        UniqueFd passed; // the last descriptor that came along
        LineBuffer input;
        std::string output; // not yet accepted by the peer
        bool waits{};       // for the guest's end
        bool dumps{};       // its dump is being written
        bool closing{};     // as soon as output is empty
    };
    using Handle = std::list<Connection>::iterator;

    void accept_one();
    UniqueFd accept();
    void rest();
    void watch(Handle connection);
    void ready(Handle connection);
    bool receive(Handle connection);     // false: the connection is gone
    bool handle_lines(Handle connection); // likewise
    bool handle(Handle connection, const std::string& line);
    bool hand_over_console(Handle connection);
    bool connect_port(Handle connection, std::uint32_t port);
    bool send_logs(Handle connection, const ControlRequest& request);
    bool send(Handle connection, std::string_view text);
    void drop(Handle connection);
    void start_dump(Handle connection);
    void tell_dumper(const std::string& text);
    void finish_dump(const std::string& text);

    struct Dump { // at most one at a time
        std::atomic<bool> cancelled; // false
        std::atomic<bool> telling;   // likewise; a progress event is on its way to the loop
        std::thread thread;
    };

    ControlTarget& target_;
    UniqueFd listener_;
    UniqueFd spare_; // given up for a client that comes when no descriptor is left
    bool paused_{};
    std::list<Connection> connections_;
    std::optional<Dump> dump_;
    EventLoop loop_{"control"}; // last: its thread ends first
};

} // namespace colinux
