// SPDX-License-Identifier: GPL-2.0
// What the cli's tests find in place of colinuxd: the same arguments, report, signals and control socket, and no machine.
// Words of its guest's kernel command line: "panics" (as soon as it runs), "cannot_start".
#include "control/config.hpp"
#include "control/run_directory.hpp"
#include "vmm/control_server.hpp"
#include "vmm/startup_report.hpp"
#include "vmm/termination.hpp"

#include <semaphore>
#include <sstream>

namespace colinux {
namespace {

class Guest final : public ControlTarget {
public:
    nlohmann::json status() override { return {{"name", "fake"}, {"pid", getpid()}}; }
    nlohmann::json stats() override { return {}; }
    nlohmann::json memory(std::optional<std::uint64_t>) override { return {}; }
    nlohmann::json report() override { return {}; }
    void dump(int, const DumpProgress&) override {}
    void stop(std::chrono::seconds) override { end({ExitCode::Success, "powered off"}); }
    void kill() override { end({ExitCode::GuestKilled, "killed"}); }
    std::string logs() override { return ""; }
    void follow_logs(UniqueFd, std::uint64_t) override {}
    void resize(std::uint16_t, std::uint16_t) override {}
    void attach_console(UniqueFd, const std::string&) override {}
    void connect_port(UniqueFd&, std::uint32_t, const std::string&) override {}

    void end(const GuestEnd& how)
    {
        how_ = how;
        ended_.release();
    }
    GuestEnd wait()
    {
        ended_.acquire();
        return how_;
    }

private:
    GuestEnd how_;
    std::counting_semaphore<> ended_{0};
};

std::string read_all(int fd)
{
    std::string text(65536, '\0');
    text.resize(static_cast<std::size_t>(read(fd, text.data(), text.size())));
    return text;
}

int run(char** argv) // --config-fd N --report-fd N
{
    Termination termination;
    MachineConfig config = config_from_json(read_all(std::stoi(argv[2])));
    auto asked = [&](const char* word) { return (" " + config.command_line + " ").find(" " + std::string{word} + " ") != std::string::npos; };
    StartupReport report{UniqueFd{std::stoi(argv[4])}};
    report.progress("memory 40 %");
    if (asked("cannot_start")) {
        report.error({ExitCode::MemoryNotFound, "no memory\nREADY=1"});
        return static_cast<int>(ExitCode::MemoryNotFound);
    }
    RunDirectory directory;
    directory.create();
    NameClaim claim{directory, config.name};
    Guest guest;
    ControlServer server{directory.socket_path(claim.name()), guest};
    termination.while_running(guest);
    server.start();
    report.ready(claim.name());
    if (asked("panics"))
        guest.end({ExitCode::GuestPanic, "panic: at once"});
    GuestEnd end = guest.wait();
    termination.ended();
    server.pause();
    claim.release();
    server.finish(end);
    report.ended(end);
    return static_cast<int>(end.code);
}

} // namespace
} // namespace colinux

int main(int argc, char** argv) { return argc == 5 ? colinux::run(argv) : 2; }
