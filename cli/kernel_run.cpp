// SPDX-License-Identifier: GPL-2.0
#include "cli/kernel_run.hpp"

#include "cli/agent_session.hpp"
#include "cli/control_client.hpp"
#include "cli/daemon_process.hpp"
#include "cli/folder_server.hpp"
#include "cli/installation.hpp"
#include "cli/kernel_graft.hpp"
#include "cli/kernel_initramfs.hpp"
#include "cli/templates.hpp"
#include "control/config_text.hpp"
#include "control/descriptors.hpp"
#include "control/graft_store.hpp"
#include "control/last_lines.hpp"
#include "control/run_directory.hpp"

#include <colinux/kernel_run.h>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <optional>
#include <sstream>
#include <thread>

namespace colinux {

namespace fs = std::filesystem;

namespace {

constexpr int kAskAgainMs = 100;
constexpr std::uint64_t kLinesToTell = 20;

// The guest has ended, or a signal asks for that, before the command was started.
struct NoCommand {};

void tell(const std::string& text) { std::cerr << "colinux: " << text << std::endl; }

std::vector<SharedFolder> folders_of(const KernelRunOptions& options)
{
    std::vector<SharedFolder> folders{{fs::absolute(options.root), "/", false}};
    for (const std::string& folder : options.writable) {
        std::error_code error;
        fs::path host = fs::canonical(folder, error);
        if (error || !fs::is_directory(host) || host == "/")
            throw Failure{ExitCode::Usage, "--rw " + folder + ": " + (error ? error.message() : host == "/" ? "not the whole root" : "it is no folder")};
        folders.push_back({host, host, true});
    }
    if (folders.size() > CO_KERNEL_RUN_MAX_FOLDERS)
        throw Failure{ExitCode::Usage, "at most " + std::to_string(CO_KERNEL_RUN_MAX_FOLDERS - 1) + " folders by --rw"};
    return folders;
}

// A stream to a port of the guest, as soon as somebody listens there.
UniqueFd connect_to(const std::string& guest, std::uint32_t port, StopSignals& stop)
{
    for (;;) {
        try {
            ControlClient client{guest, std::chrono::seconds{60}};
            client.ask({{"call", "connect"}, {"port", port}});
            if (!client.wait_for_answer(stop.fd()))
                throw NoCommand{};
            client.next_answer();
            std::string none; // we speak first
            return client.take_connection(none);
        } catch (const Failure& failure) {
            if (failure.code() != ExitCode::NoAgent)
                throw NoCommand{};
        }
        pollfd wait{stop.fd(), POLLIN, 0};
        if (poll(&wait, 1, kAskAgainMs) > 0)
            throw NoCommand{};
    }
}

UniqueFd open_stream(const std::string& guest, char kind, std::size_t number, StopSignals& stop)
{
    UniqueFd stream = connect_to(guest, CO_KERNEL_RUN_PORT, stop);
    char head[2] = {kind, static_cast<char>(number)};
    if (send(stream.get(), head, sizeof head, MSG_NOSIGNAL) != sizeof head)
        throw NoCommand{};
    return stream;
}

// The folders of a guest, each served by a thread until its stream ends, which is when the guest does.
class SharedFolders {
public:
    explicit SharedFolders(const std::vector<SharedFolder>& folders)
    {
        raise_descriptor_limit(); // one for each file that the guest knows of
        for (const SharedFolder& folder : folders)
            served_.emplace_back(folder.host, folder.writable);
    }
    ~SharedFolders()
    {
        for (Served& one : served_)
            if (one.thread.joinable()) {
                shutdown(one.stream.get(), SHUT_RDWR);
                one.thread.join();
            }
    }
    void serve(const std::string& guest, StopSignals& stop)
    {
        sigset_t all, before; // a thread of these takes no signal of ours
        sigfillset(&all);
        std::size_t number = 0;
        for (Served& one : served_) {
            one.stream = open_stream(guest, CO_KERNEL_RUN_FOLDER, number++, stop);
            pthread_sigmask(SIG_BLOCK, &all, &before);
            one.thread = std::thread{[&one] { one.server.serve(one.stream.get()); }};
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
        }
    }

private:
    struct Served {
        Served(const std::string& folder, bool writable) : server{folder, writable} {}
        FolderServer server;
        UniqueFd stream;
        std::thread thread;
    };
    std::list<Served> served_;
};

// What the init says: empty when all is there.
std::string word_of_init(int life, StopSignals& stop)
{
    std::string word;
    for (;;) {
        pollfd waits[2] = {{life, POLLIN, 0}, {stop.fd(), POLLIN, 0}};
        if (poll(waits, 2, -1) < 0)
            continue;
        char byte;
        if (waits[1].revents || recv(life, &byte, 1, 0) <= 0)
            throw NoCommand{};
        if (byte == '\n')
            return word == CO_KERNEL_RUN_READY ? "" : word;
        word += byte;
    }
}

AgentRequest request_of(const KernelRunOptions& options)
{
    AgentRequest request;
    request.arguments = options.command;
    request.environment = options.environment;
    request.has_tty = options.tty || options.command.empty();
    request.has_stdin = options.interactive || options.command.empty();
    if (const char* term = getenv("TERM"); request.has_tty && term)
        request.environment.push_back(std::string{"TERM="} + term);
    std::error_code error;
    request.directory = !options.directory.empty() ? options.directory : options.root == "/" ? fs::current_path(error).string() : "/";
    return request;
}

void show_console(const std::string& guest)
{
    std::ifstream file{RunDirectory{}.log_path(guest), std::ios::binary};
    std::ostringstream text;
    text << file.rdbuf();
    std::cerr << last_lines(text.str(), kLinesToTell) << std::endl;
}

// What the command's end was, while `daemon` still runs.
AgentEnd run_command(const KernelRunOptions& options, const std::string& guest, StopSignals& stop)
{
    UniqueFd agent = connect_to(guest, CO_AGENT_PORT, stop);
    HeldSignals signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    return AgentSession{std::move(agent), guest, request_of(options), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, true}, &signals}.run();
}

// How a guest ended that was not to.
[[noreturn]] void died(const GuestEnd& end, const std::string& guest)
{
    if (end.code != ExitCode::GuestKilled)
        show_console(guest);
    std::string more = end.report.empty() ? "" : "; what is known about that: colinux report " + guest;
    throw Failure{end.code == ExitCode::Success ? ExitCode::AgentLost : end.code, "the guest has ended before the command did: " + end.reason + more};
}

int stay_with(DaemonProcess& daemon, const std::string& guest, const KernelRunOptions& options, SharedFolders& folders, StopSignals& stop)
{
    std::optional<AgentEnd> result;
    std::string trouble;
    try {
        UniqueFd life;
        try {
            folders.serve(guest, stop);
            life = open_stream(guest, CO_KERNEL_RUN_LIFE, 0, stop);
            trouble = word_of_init(life.get(), stop);
            if (trouble.empty())
                result = run_command(options, guest, stop);
        } catch (const NoCommand&) {
            if (stop.take() != 0)
                daemon.end_now();
        }
    } catch (const Failure& failure) {
        if (failure.code() != ExitCode::AgentLost) {
            daemon.wait_until_ended();
            throw;
        }
    }
    GuestEnd end = daemon.wait_until_ended(); // the init has seen the lifeline go
    RunDirectory{}.names();
    if (!trouble.empty()) {
        show_console(guest);
        throw Failure{ExitCode::GuestRoot, "this host's files cannot be shown to the guest: " + trouble};
    }
    if (!result)
        died(end, guest);
    if (end.code != ExitCode::Success)
        tell("after the command the guest has ended: " + end.reason);
    if (!result->refusal.empty())
        tell(result->refusal);
    return result->code;
}

} // namespace

int run_kernel(const KernelRunOptions& options)
{
    StopSignals stop; // first of all: from here on there is something to take back
    KernelSource source = KernelSource::find(options.what, options.kernel, options.tree, options.modules);
    source.check_config();
    std::vector<SharedFolder> folders = folders_of(options);
    SharedFolders shared{folders};
    MachineConfig config;
    config.kernel = source.image;
    config.vcpus = options.cpus;
    config.restarts = false;
    config.memory_bytes = round_up_memory(parse_size(options.memory));
    config.command_line = "console=hvc0" + (options.append.empty() ? "" : " " + options.append);
    check_config(config);
    load_driver();
    if (!source.tree.empty()) {
        const char* others = getenv("COLINUX_GRAFTS");
        std::string list = graft_of_tree(source, stop, tell).string() + (others ? std::string{":"} + others : "");
        setenv("COLINUX_GRAFTS", list.c_str(), 1);
    }
    KernelInitramfs initramfs{find_kernel_init(), find_agent(),
                              load_modules(source.modules, wanted_modules(source.config ? &*source.config : nullptr)), folders};
    config.initrd = initramfs.path();
    stop.check();
    DaemonProcess daemon{config, stop};
    DaemonProcess::Ready ready = daemon.wait_until_ready([](const std::string& text) { tell(text); });
    return stay_with(daemon, ready.name, options, shared, stop);
}

} // namespace colinux
