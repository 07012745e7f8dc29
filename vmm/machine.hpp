// SPDX-License-Identifier: GPL-2.0
// Machine: the user-space half of one guest. The constructor does everything up to the first instruction;
// start() lets the guest run; wait() returns when it has ended. What the control socket asks for comes in
// through ControlTarget, on the socket's thread.
#pragma once

#include "control/config.hpp"
#include "control/driver.hpp"
#include "control/guest_end.hpp"
#include "vmm/control_server.hpp"
#include "vmm/devices/console_hub.hpp"
#include "vmm/devices/console_ring.hpp"
#include "vmm/gdb/gdb_server.hpp"
#include "vmm/gdb/guest_debugger.hpp"
#include "vmm/inspect/guest_kernel.hpp"
#include "vmm/loader/boot.hpp"
#include "vmm/machine_inputs.hpp"
#include "vmm/vcpu_thread.hpp"
#include "vmm/virtio/transport.hpp"
#include "vmm/watchdog.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace colinux {

using Progress = std::function<void(const std::string&)>;

class Machine final : public ControlTarget, private LineBinder, private BlockOwner, private GuestCpus {
public:
    // Failure: any of the start's. `progress` hears what takes longer than a second.
    Machine(const MachineConfig& config, const Progress& progress);
    ~Machine() override; // the guest's memory is the host's again

    // The console's text goes to the file `log`, what is known of a crash will go to `report`, which is opened now: later none can be made.
    // Before start(). Failure: Internal.
    void keep_records(const std::string& log, const std::string& report);
    void start();
    GuestEnd wait();
    // After a guest has ended with a reboot: the same one again, from files that are open; it runs. Console, log, disks and forwards stay. Unless it
    // was killed meanwhile: wait() says so. Failure: MemoryNotFound, Internal; then it has ended.
    void restart();
    // After wait(), when it has crashed: nothing of it runs any more. Writes its report and, if wanted, its memory, and names them in `end`.
    void leave_evidence(GuestEnd& end);
    // How to come to it with gdb; empty: there is no debugger.
    std::string debugger_hint() const;

    nlohmann::json status() override;
    nlohmann::json stats() override;
    nlohmann::json report() override;
    void dump(int file, const DumpProgress& progress) override;
    nlohmann::json memory(std::optional<std::uint64_t> wanted) override;
    void stop(std::chrono::seconds patience) override;
    void kill() override; // of both bases
    std::string logs() override;
    void follow_logs(UniqueFd connection, std::uint64_t lines) override;
    void resize(std::uint16_t rows, std::uint16_t columns) override;
    void attach_console(UniqueFd connection, const std::string& typed) override;
    void connect_port(UniqueFd& connection, std::uint32_t port, const std::string& early) override;

private:
    void build(const Progress& progress);
    void take_apart();
    void allocate_memory(GuestFile& guest, std::uint64_t contiguous, const Progress& progress);
    void create_vcpus(const co_vcpu_entry& entry);
    void bind_doorbell(unsigned doorbell, int eventfd) override;
    void bind_irq_line(unsigned line, int eventfd) override;
    int give_up_block(std::uint64_t phys) override;
    int take_back_block(std::uint64_t phys) override;
    std::uint64_t present_bytes() const override { return memory_.present_bytes(); }
    void end(GuestEnd how); // the first one counts; any thread
    void log(const std::string& text);
    class StandingStill;
    void pause(); // every CPU, or none and Failure ControlSocket
    void resume();
    void stop_for_good();
    std::shared_lock<std::shared_mutex> as_it_is(); // no restart meanwhile. Failure: ControlSocket, it is restarting
    void leave_report(GuestEnd& end);
    void write_dump(int file, const DumpProgress& progress); // while it stands still
    void make_debugger();
    void dismiss_debugger(); // the guest has ended: a gdb that is there hears how
    unsigned count() const override { return config_.vcpus; } // GuestCpus
    void pause(unsigned cpu) override;
    void hold(unsigned cpu) override;
    bool wait_until_paused(unsigned cpu, std::chrono::milliseconds limit) override;
    void resume(unsigned cpu) override;
    co_passage passage(unsigned cpu) const override;
    unsigned sleep(unsigned cpu) const override;
    void watch();
    Watchdog::Looks look() const;
    void hung(unsigned cpu);
    std::vector<co_passage> passages() const;           // while it stands still
    nlohmann::json describe(const GuestKernel* kernel); // likewise; nullptr: without its CPUs

    MachineConfig config_;
    std::string report_path_;
    UniqueFd report_file_; // empty until there is something to report
    std::atomic<unsigned> standing_still_{}; // how many have asked for it
    std::chrono::steady_clock::time_point started_;
    std::mutex mutex_;
    std::condition_variable has_ended_;
    std::optional<GuestEnd> end_;
    bool killed_{};
    unsigned restarts_{};
    std::chrono::steady_clock::time_point asked_until_{}; // the guest is asked to stop

    std::shared_mutex inspection_mutex_; // shared: who looks at CPUs and memory; exclusive: a restart, which makes them anew
    std::mutex guest_mutex_; // guards guest_, memory_ and loaded_, which a restart changes under the control socket's thread
    std::optional<MachineInputs> inputs_;
    std::optional<Driver> driver_;

    // In the order of their making; each needs the ones before it.
    std::optional<GuestFile> guest_;
    GuestMemory memory_;
    LoadedKernel loaded_{};
    bool passage_known_{}; // the driver's passage is laid out as this program believes
    std::unique_ptr<ConsoleRing> ring_;
    std::unique_ptr<ConsoleHub> hub_;
    std::unique_ptr<Transport> transport_;
    UniqueFd gdb_listener_; // open through restarts
    std::optional<GuestDebugger> debugger_;
    std::vector<std::unique_ptr<VcpuThread>> vcpus_;
    std::optional<GdbServer> gdb_;
    std::optional<Watchdog> watchdog_;
};

} // namespace colinux
