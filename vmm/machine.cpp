// SPDX-License-Identifier: GPL-2.0
#include "vmm/machine.hpp"

#include "control/config_text.hpp"
#include "vmm/sys/linux/privileges.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>

namespace colinux {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds kAskAgain{3};
constexpr std::uint64_t kLongModeFiveLevels = 1ull << 12; // CR4.LA57

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + "M"; }

BootParameters boot_parameters(const MachineConfig& config, const co_info& host, std::uint64_t passage_virt, std::size_t devices)
{
    return {.command_line = config.command_line,
            .vcpus = config.vcpus,
            .devices = static_cast<std::uint32_t>(devices),
            .tsc_khz = host.tsc_khz,
            .host_xcr0 = host.host_xcr0,
            .passage_virt = passage_virt,
            .five_levels = (host.host_cr4 & kLongModeFiveLevels) != 0,
            .debugger = config.gdb.port != 0};
}

} // namespace

Machine::Machine(const MachineConfig& config, const Progress& progress)
    : config_{config}, started_{std::chrono::steady_clock::now()}
{
    if (config.gdb.port != 0)
        gdb_listener_ = listen_for_gdb(config.gdb.port); // before what takes long
    inputs_.emplace(config_, [this](std::string_view text) { hub_->output(text); }, [this](const std::string& text) { log(text); });
    build(progress);
}

void Machine::build(const Progress& progress)
{
    KernelImage kernel = inputs_->kernel_image();
    std::vector<std::byte> initrd = inputs_->initrd();
    std::uint64_t contiguous = contiguous_bytes_needed(kernel, initrd.size());
    if (contiguous > config_.memory_bytes)
        throw Failure{ExitCode::MemorySize, "memory " + mebibytes(config_.memory_bytes) +
                                                " is too small: this kernel and its initramfs alone need " +
                                                mebibytes(contiguous)};

    if (!driver_)
        driver_.emplace();
    passage_known_ = driver_->info().passage_version == CO_PASSAGE_VERSION;
    GuestFile guest = driver_->create_guest(config_.vcpus);
    allocate_memory(guest, contiguous, progress);
    {
        std::lock_guard lock{guest_mutex_};
        guest_.emplace(std::move(guest));
        memory_ = guest_->map_memory();
        loaded_ = load_kernel(kernel, inputs_->graft, initrd,
                              boot_parameters(config_, driver_->info(), guest_->passage_virt(), inputs_->devices.size()), memory_);
        inputs_->loaded();
    }

    ring_ = std::make_unique<ConsoleRing>(memory_, loaded_.console_ring_phys);
    if (hub_)
        hub_->connect(*ring_);
    else
        hub_ = std::make_unique<ConsoleHub>(*ring_);
    inputs_->memory->begin(*this);
    transport_ = std::make_unique<Transport>(memory_, loaded_.transport_phys, std::move(inputs_->devices),
                                             [this](const std::string& text) { log(text); });
    ring_->bind(*this);
    transport_->bind(*this);
    guest_->set_passage(loaded_.passage);
    create_vcpus(loaded_.entry);
    if (gdb_listener_)
        make_debugger();
}

// The order is the destructor's.
void Machine::take_apart()
{
    dismiss_debugger();
    vcpus_.clear();
    inputs_->devices = transport_->release();
    transport_.reset();
    hub_->disconnect();
    ring_.reset();
    std::lock_guard lock{guest_mutex_};
    memory_ = GuestMemory{{}};
    guest_.reset(); // every frame is the host's again
}

void Machine::restart()
{
    log("the guest reboots");
    watchdog_.reset(); // it may be about to ask for a report
    std::lock_guard no_reports{inspection_mutex_};
    take_apart();
    {
        std::lock_guard lock{mutex_};
        if (killed_)
            end_ = GuestEnd{ExitCode::GuestKilled, "killed"};
        else
            end_.reset();
    }
    build([this](const std::string& text) { log(text); });
    {
        std::lock_guard lock{guest_mutex_};
        started_ = std::chrono::steady_clock::now();
        restarts_++;
    }
    if (gdb_)
        log(debugger_hint());
    start();
}

Machine::~Machine()
{
    watchdog_.reset();
    dismiss_debugger();
    vcpus_.clear(); // first nobody runs any more, then the devices stop
    if (transport_)
        transport_->stop();
    if (hub_)
        hub_->stop();
    if (nlohmann::json refused = refused_system_calls(); !refused.empty())
        log("system calls were refused: " + refused.dump() + ": please report this (docs/daemon-privileges.md)");
    if (report_file_ && lseek(report_file_.get(), 0, SEEK_END) == 0)
        unlink(report_path_.c_str());
}

void Machine::allocate_memory(GuestFile& guest, std::uint64_t contiguous, const Progress& progress)
{
    auto done = std::async(std::launch::async, [&] { guest.allocate_memory(config_.memory_bytes, contiguous); });
    std::uint64_t told = 0;
    while (done.wait_for(1s) == std::future_status::timeout) {
        std::uint64_t now = guest.stats().memory_progress;
        if (told == 0 || now - told >= config_.memory_bytes / 8) {
            progress("memory: " + mebibytes(now) + " of " + mebibytes(config_.memory_bytes));
            told = now;
        }
    }
    done.get();
}

void Machine::create_vcpus(const co_vcpu_entry& entry)
{
    VcpuThread::install_signal_handler();
    VcpuThread::Handlers handlers{
        .device = [this](const co_run& run) { return transport_->handle_call(run.arg[0], run.arg[1], run.arg[2]); },
        .debugger =
            [this](unsigned cpu, const co_run& run) {
                return debugger_ ? debugger_->trapped(cpu, run.arg, [this] { gdb_->look(); }) : 0;
            },
        .ended = [this](const co_run& run) { end(describe_end(run, memory_)); },
        .failed =
            [this](std::exception_ptr error) {
                try {
                    std::rethrow_exception(error);
                } catch (const std::exception& exception) {
                    end({ExitCode::Internal, exception.what()});
                }
            }};
    for (unsigned index = 0; index < config_.vcpus; index++)
        vcpus_.push_back(std::make_unique<VcpuThread>(guest_->create_vcpu(index), index, handlers));
    vcpus_[0]->file().set_entry(entry);
}

void Machine::keep_records(const std::string& log, const std::string& report)
{
    hub_->begin_log(log);
    report_path_ = report;
    report_file_ = UniqueFd{open(report.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!report_file_)
        throw Failure{ExitCode::Internal, "report " + report + ": " + strerror(errno)};
}

void Machine::start()
{
    malloc_trim(0); // what loading took, some 15 MiB, goes back to the host
    hub_->start();
    transport_->start();
    for (auto& vcpu : vcpus_)
        vcpu->start();
    if (gdb_)
        gdb_->start();
    watch();
}

GuestEnd Machine::wait()
{
    std::unique_lock lock{mutex_};
    while (!end_) {
        if (std::chrono::steady_clock::now() >= asked_until_)
            has_ended_.wait(lock);
        else if (has_ended_.wait_for(lock, kAskAgain) == std::cv_status::timeout)
            guest_->request_stop(); // one that is lost, since whoever would hear it is not there yet, is no shutdown
    }
    return *end_;
}

void Machine::end(GuestEnd how)
{
    std::lock_guard lock{mutex_};
    if (!end_)
        end_ = std::move(how);
    has_ended_.notify_all();
}

nlohmann::json Machine::status()
{
    std::lock_guard lock{guest_mutex_};
    auto up = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
    nlohmann::json disks = nlohmann::json::array();
    for (const DiskConfig& disk : config_.disks)
        disks.push_back(disk_text(disk));
    nlohmann::json status{{"name", config_.name},         {"pid", getpid()},
            {"kernel", config_.kernel},     {"release", loaded_.release},
            {"vcpus", config_.vcpus},       {"memory_bytes", guest_ ? memory_.present_bytes() : config_.memory_bytes},
            {"disks", disks},               {"nets", config_.nets.size()},
            {"up_seconds", up.count()},     {"command_line", loaded_.command_line},
            {"multi_cpu_ok", loaded_.multi_cpu_ok}, {"restarts", restarts_}};
    if (gdb_)
        status["gdb"] = {{"port", config_.gdb.port}, {"attached", gdb_->attached()}};
    return status;
}

void Machine::stop(std::chrono::seconds patience)
{
    {
        std::lock_guard lock{guest_mutex_};
        if (guest_) // else it reboots: wait() asks
            guest_->request_stop();
    }
    std::lock_guard lock{mutex_};
    asked_until_ = std::chrono::steady_clock::now() + patience;
    has_ended_.notify_all();
}

void Machine::kill()
{
    {
        std::lock_guard lock{mutex_};
        killed_ = true;
    }
    end({ExitCode::GuestKilled, "killed"});
}

std::string Machine::logs() { return hub_->log_text(); }

void Machine::follow_logs(UniqueFd connection, std::uint64_t lines) { hub_->follow(std::move(connection), lines); }

void Machine::resize(std::uint16_t rows, std::uint16_t columns) { hub_->resize(rows, columns); }

void Machine::attach_console(UniqueFd connection, const std::string& typed) { hub_->attach(std::move(connection), typed); }

void Machine::connect_port(UniqueFd& connection, std::uint32_t port, const std::string& early)
{
    std::shared_lock lock = as_it_is();
    inputs_->vsock->connect(std::move(connection), port, early);
}

void Machine::bind_doorbell(unsigned doorbell, int eventfd) { guest_->bind_doorbell(doorbell, eventfd); }

void Machine::bind_irq_line(unsigned line, int eventfd) { guest_->bind_irq_line(line, 0, eventfd); }

void Machine::log(const std::string& text) { hub_->output("\r\ncolinuxd: " + text + "\r\n"); }

} // namespace colinux
