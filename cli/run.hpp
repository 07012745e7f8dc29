// SPDX-License-Identifier: GPL-2.0
// From what describes a guest to a running one: shared by `run`, `create`, `start` and colinux-daemon.
#pragma once

#include "cli/daemon_process.hpp"
#include "control/config.hpp"

#include <functional>
#include <memory>

namespace CLI {
class App;
}

namespace colinux {

struct RunOptions;
std::shared_ptr<RunOptions> add_guest_options(CLI::App& command); // those that describe a guest
// As they were typed: kernel may be empty, command_line is what stands behind the default words. Failure: Usage.
MachineConfig config_of(const RunOptions& options);

struct RunMode {
    bool detach{}, json{};
    bool console{true};                                        // on this terminal, where neither of the others
    std::function<void(const DaemonProcess::Ready&)> on_ready; // the guest runs, nobody is at its console yet
    std::function<void(const std::string&)> on_progress;       // of the start
    std::function<void()> on_stop;                             // a signal has come, and the guest is asked to end
};

// Finds what `config` leaves open and starts the guest; stays until it has ended unless detached. The exit code of `run`.
int run_guest(MachineConfig config, const RunMode& mode);

} // namespace colinux
