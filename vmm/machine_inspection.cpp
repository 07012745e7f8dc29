// SPDX-License-Identifier: GPL-2.0
// Machine, the part that looks into the guest: standing still, reports, dumps, and the watchdog.
#include "vmm/machine.hpp"

#include "control/last_lines.hpp"
#include "control/dump_file.hpp"
#include "vmm/inspect/report.hpp"
#include "vmm/inspect/vmcore.hpp"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <sstream>
#include <system_error>

namespace colinux {

using namespace std::chrono_literals;

namespace {

constexpr auto kPauseLimit = 10s; // an NMI gets a CPU back within milliseconds, where it can take one; the rest is for a busy host
constexpr std::uint64_t kConsoleLines = 40;

std::string now_text()
{
    std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    return text;
}

nlohmann::json end_of_console(const std::string& log)
{
    nlohmann::json lines = nlohmann::json::array();
    std::istringstream text{std::string{last_lines(log, kConsoleLines)}};
    for (std::string line; std::getline(text, line);) {
        std::erase_if(line, [](unsigned char c) { return c < ' ' && c != '\t'; });
        lines.push_back(line);
    }
    return lines;
}

// Half a report would only mislead.
bool write_report(int file, const nlohmann::json& report)
{
    std::string text = report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    bool written = ftruncate(file, 0) == 0 && pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
    return written || (ftruncate(file, 0), false);
}

} // namespace

class Machine::StandingStill {
public:
    explicit StandingStill(Machine& machine) : machine_{machine} { machine_.pause(); }
    ~StandingStill() { machine_.resume(); }
    StandingStill(const StandingStill&) = delete;
    StandingStill& operator=(const StandingStill&) = delete;

private:
    Machine& machine_;
};

void Machine::pause()
{
    standing_still_++;
    for (auto& vcpu : vcpus_)
        vcpu->pause();
    auto deadline = std::chrono::steady_clock::now() + kPauseLimit;
    for (std::size_t cpu = 0; cpu < vcpus_.size(); cpu++) {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (vcpus_[cpu]->wait_until_paused(std::max(left, 0ms)))
            continue;
        resume();
        throw Failure{ExitCode::ControlSocket, "CPU " + std::to_string(cpu) + " of the guest could not be stopped within " +
                                                   std::to_string(kPauseLimit.count()) + " seconds"};
    }
}

void Machine::resume()
{
    for (auto& vcpu : vcpus_)
        vcpu->resume();
    standing_still_--;
}

void Machine::stop_for_good()
{
    watchdog_.reset();
    for (auto& vcpu : vcpus_)
        vcpu->interrupt();
    for (auto& vcpu : vcpus_)
        vcpu->join();
    hub_->stop(); // the guest's last words are in the log now
}

std::vector<co_passage> Machine::passages() const
{
    std::vector<co_passage> copies;
    for (auto& vcpu : vcpus_)
        copies.push_back(vcpu->file().passage());
    return copies;
}

nlohmann::json Machine::describe(const GuestKernel* kernel)
{
    nlohmann::json report = status();
    report["time"] = now_text();
    report["cpus"] = nlohmann::json::array();
    if (!kernel)
        return report;
    std::vector<unsigned> sleeps;
    for (auto& vcpu : vcpus_)
        sleeps.push_back(vcpu->file().run_page().sleep);
    report["cpus"] = report_cpus(*kernel, memory_, passages(), sleeps);
    return report;
}

std::shared_lock<std::shared_mutex> Machine::as_it_is()
{
    std::shared_lock lock{inspection_mutex_, std::try_to_lock};
    if (!lock)
        throw Failure{ExitCode::ControlSocket, "guest " + config_.name + " reboots: ask again"};
    return lock;
}

nlohmann::json Machine::report()
{
    std::shared_lock lock = as_it_is();
    std::optional<GuestKernel> kernel; // before the guest stands still: this takes longest
    if (passage_known_)
        kernel.emplace(loaded_, memory_);
    nlohmann::json report;
    {
        StandingStill still{*this};
        report = describe(kernel ? &*kernel : nullptr);
    }
    report["console"] = end_of_console(logs());
    return report;
}

void Machine::dump(int file, const DumpProgress& progress)
{
    std::shared_lock lock = as_it_is();
    StandingStill still{*this};
    write_dump(file, progress);
}

void Machine::write_dump(int file, const DumpProgress& progress)
{
    if (!passage_known_)
        throw Failure{ExitCode::DumpFailed, "the driver is of another build than this program: install both from one"};
    GuestKernel kernel{loaded_, memory_};
    std::vector<co_passage> saved = passages();
    try {
        if (!write_vmcore(file, {kernel, memory_, saved}, progress))
            throw Failure{ExitCode::DumpFailed, "abandoned"};
    } catch (const std::system_error& error) {
        throw Failure{ExitCode::DumpFailed, error.code().message()};
    }
}

void Machine::leave_evidence(GuestEnd& end)
{
    stop_for_good();
    leave_report(end);
    if (config_.crash_dump.empty())
        return;
    try {
        DumpFile file{config_.crash_dump};
        try {
            write_dump(file.fd(), [](std::uint64_t, std::uint64_t) { return true; });
        } catch (const Failure& failure) {
            throw file.failure(failure.what());
        }
        file.complete();
        end.dump = config_.crash_dump;
    } catch (const std::exception& error) {
        end.reason += std::string{" ("} + error.what() + ")";
    }
}

void Machine::leave_report(GuestEnd& end)
{
    try {
        std::optional<GuestKernel> kernel;
        if (passage_known_)
            kernel.emplace(loaded_, memory_);
        nlohmann::json report = describe(kernel ? &*kernel : nullptr);
        report.update(end_fields(end));
        report["console"] = end_of_console(logs());
        if (write_report(report_file_.get(), report))
            end.report = report_path_;
    } catch (const std::exception& error) {
        end.reason += std::string{" (no report: "} + error.what() + ")"; // it has ended none the less
    }
}

// ---- the watchdog -------------------------------------------------------------------------------------------

void Machine::watch()
{
    if (config_.watchdog.seconds != 0)
        watchdog_.emplace(std::chrono::seconds{config_.watchdog.seconds}, [this] { return look(); }, [this](unsigned cpu) { hung(cpu); });
}

Watchdog::Looks Machine::look() const
{
    if (standing_still_ != 0)
        return std::nullopt;
    std::vector<HangJudge::Look> looks;
    for (auto& vcpu : vcpus_) {
        const co_run& run = vcpu->file().run_page();
        looks.push_back({__atomic_load_n(&run.progress, __ATOMIC_RELAXED), __atomic_load_n(&run.stalls, __ATOMIC_RELAXED),
                         __atomic_load_n(&run.sleep, __ATOMIC_RELAXED), vcpu->cpu_time(), vcpu->is_runnable()});
    }
    return looks;
}

void Machine::hung(unsigned cpu)
{
    std::string reason = "CPU " + std::to_string(cpu) + " made no progress with its interrupts off for " +
                         std::to_string(config_.watchdog.seconds) + " seconds";
    if (config_.watchdog.action != WatchdogConfig::Action::Report)
        return end({ExitCode::GuestHang, "ended by the watchdog: " + reason});
    try {
        nlohmann::json hang = report();
        hang["reason"] = "hangs: " + reason;
        log(reason + (write_report(report_file_.get(), hang) ? "; report in " + report_path_ : "; its report cannot be written to " + report_path_));
    } catch (const std::exception& error) {
        log(reason + "; no report: " + error.what());
    }
}

} // namespace colinux
