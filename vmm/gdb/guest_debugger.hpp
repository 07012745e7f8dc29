// SPDX-License-Identifier: GPL-2.0
// GuestDebugger: a DebugTarget that is a guest. Breakpoints are INT3s in its memory; the graft tells of each #BP and #DB of the kernel by
// CO_CALL_DEBUGGER (graft/debugger.c), which comes here on the vCPU's thread: trapped(). Everything else happens on the debugger's
// thread, while the vCPUs' threads stand still outside the guest, with the registers in struct pt_regs on the guest's stacks.
#pragma once

#include "vmm/gdb/breakpoints.hpp"
#include "vmm/gdb/cpu_view.hpp"
#include "vmm/gdb/debug_target.hpp"
#include "vmm/gdb/forbidden_code.hpp"
#include "vmm/gdb/single_step.hpp"

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace colinux {

// The vCPUs' threads, as a debugger needs them (VcpuThread).
class GuestCpus {
public:
    virtual ~GuestCpus() = default;
    virtual unsigned count() const = 0;
    virtual void pause(unsigned cpu) = 0; // as many resume() as there were pause() and hold()
    virtual void hold(unsigned cpu) = 0;  // the same by the thread itself, or before it starts: it is outside the guest
    virtual bool wait_until_paused(unsigned cpu, std::chrono::milliseconds limit) = 0;
    virtual void resume(unsigned cpu) = 0;
    virtual co_passage passage(unsigned cpu) const = 0;
    virtual unsigned sleep(unsigned cpu) const = 0; // CO_SLEEP_*
    virtual void kill() = 0;
};

class GuestDebugger final : public DebugTarget {
public:
    // Before the guest runs. All must outlive this object.
    GuestDebugger(GuestCpus& cpus, const GuestMemory& memory, const LoadedKernel& loaded);

    void hold_at_start(); // before the vCPUs' threads start: until a debugger lets them go
    // CO_EXIT_DEBUGGER, on that vCPU's thread. 0: not ours. `told` runs when there is a new trap.
    std::uint64_t trapped(unsigned cpu, const co_u64 (&arg)[4], const std::function<void()>& told);

    unsigned cpus() const override { return cpus_.count(); }
    bool runs(unsigned cpu) override;
    std::string about(unsigned cpu) override;
    bool stop() override;
    std::string go(const std::vector<Go>& how) override;
    std::optional<Trap> take_trap() override;
    void let_go() override;
    void kill() override { cpus_.kill(); }
    Registers registers(unsigned cpu) override;
    std::string set_registers(unsigned cpu, const Registers& registers) override;
    std::string read(unsigned cpu, std::uint64_t virt, std::size_t bytes) override;
    bool write(unsigned cpu, std::uint64_t virt, std::string_view bytes) override;
    std::string insert(unsigned cpu, std::uint64_t virt) override;
    void remove(std::uint64_t virt) override;
    std::string monitor(unsigned cpu, std::string_view command) override;

private:
    std::optional<CpuView> view(unsigned cpu);
    GuestKernel& kernel();
    std::byte* find(const CpuView* view, std::uint64_t virt, std::uint64_t& bytes) const;
    enum class Met { NotOurs, GoOn, Stop };
    Met breakpoint(InterruptedRegisters& registers, const GuestPages& pages) const;
    Met single_step(unsigned cpu, InterruptedRegisters& registers, const GuestPages& pages);
    void forgive_stall();
    bool begin_step(unsigned cpu);
    void give_up_step(unsigned cpu);
    void store(const CpuView& view, const InterruptedRegisters& registers) const;
    std::string trace(unsigned cpu);

    GuestCpus& cpus_;
    const GuestMemory& memory_;
    const LoadedKernel& loaded_;
    std::optional<GuestKernel> kernel_; // while somebody looks
    std::optional<ForbiddenCode> forbidden_;
    std::chrono::steady_clock::time_point stood_since_{}; // the last that began to

    std::mutex mutex_; // guards what trapped() uses, too: all below
    Breakpoints breakpoints_;
    std::vector<SingleStep> steps_; // by CPU, as the next
    std::vector<bool> held_;        // by us
    std::optional<Trap> trap_;
    bool stray_mask_{}; // a step that was given up has left IF = 0 somewhere
};

} // namespace colinux
