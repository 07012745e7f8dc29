// SPDX-License-Identifier: GPL-2.0
// HostCpuState: the part of the CPU's state that the assembler does not exchange: MSRs, XCR0, debug registers, and what only
// user mode sees.
//
// The host's values are constants of a CPU and read once when a vCPU comes to it; the guest's values of the
// MSRs are in its passage page, kept there by the graft. So no MSR is read on the way, and one is written only
// where the worlds differ. What acts only in user mode, or on the way there, stays the guest's while the host merely serves it
// in ring 0: enter_guest_mode() and leave_guest_mode() bracket a burst, before_switch() and after_switch() each crossing.
#pragma once

#include "core/arch/x86_64/cpu.hpp"
#include "core/interrupts_off.hpp"

#include <colinux/passage.h>

#include <cstdint>

namespace colinux {

class HostCpuState {
public:
    // What this CPU model has; at driver start.
    static void detect();
    // The vCPU is about to begin: its next enter_guest_mode() gives it the host's values (PAT, XCR0), not those after a
    // hardware reset. Only then, and on its own CPU: who starts a vCPU may be a guest itself at this moment.
    void begin() { begins_ = true; }

    void enter_guest_mode(InterruptsOff&, co_passage& page);
    void leave_guest_mode(InterruptsOff&, co_passage& page);
    // Before each handler of the host: perf's own state must be in force when it looks, and when it changes it; and its task priority.
    void host_will_run(InterruptsOff&)
    {
        resume_task_priority();
        resume_debug_store();
    }
    // Before the first crossing of a burst, and whenever a handler of the host has run since the last one: it may have set
    // breakpoints, taken a page fault, or turned on PEBS or BTS.
    void host_has_run(InterruptsOff&, co_passage& page);
    void before_switch(InterruptsOff& off, co_passage& page)
    {
        if (differs_) [[unlikely]]
            give_to_guest(off, page);
    }
    void after_switch(InterruptsOff& off, co_passage& page)
    {
        guest_cr2_ = cpu::read_cr2();
        guest_breakpoints_ = (page.guest.dr7 & kDr7Enabled) | (cpu::read_debug<6>() & kDr6Events);
        if (features.xsave)
            guest_xcr0_ = cpu::read_xcr0();
        if (features.spec_ctrl)
            guest_spec_ctrl_ = cpu::read_msr(cpu::Msr::SpecCtrl);
        differs_ = per_switch_differs(page);
        if (differs_) [[unlikely]]
            give_to_host(off, page);
    }

private:
    struct Features {
        bool xsave, spec_ctrl, pku, debug_store;
        bool msr[CO_MSR_COUNT];
    };
    static Features features;

    static constexpr std::uint64_t kDr7Enabled = 0xff, kDr6Events = 0xe00f; // SDM Vol. 3, 17.2.3
    // PAT and XSS act on ring 0, the host's handlers included: exchanged at each crossing. The others act only on
    // the way from and to user mode: exchanged per burst.
    static constexpr unsigned kPerSwitchMsrs[] = {CO_MSR_PAT, CO_MSR_XSS};
    static constexpr bool is_per_switch(unsigned index) { return index == CO_MSR_PAT || index == CO_MSR_XSS; }

    struct DebugRegisters {
        std::uint64_t dr0, dr1, dr2, dr3, dr6;
        void save();
        void load() const;
        void save_addresses();
        void load_addresses() const; // writes only what differs
    };

    void read_host_values();
    // CR8 is 0 while the guest runs: a higher one would keep the host's interrupts off. Linux never writes it, NT keeps its IRQL
    // there. What a guest wrote there by mistake ends at the next handler of the host, at the latest an NMI's.
    void resume_task_priority()
    {
        if (cpu::read_cr8() != host_task_priority_)
            cpu::write_cr8(host_task_priority_);
    }
    void stop_debug_store();
    void resume_debug_store();
    void set_first_values(co_passage& page);
    void give_to_guest(InterruptsOff&, co_passage& page);
    void give_to_host(InterruptsOff&, co_passage& page);
    bool per_switch_differs(const co_passage& page) const
    {
        std::uint64_t differs = host_breakpoints_ | guest_breakpoints_ | page.msr_unsure | (guest_xcr0_ ^ host_xcr0_) |
                                (guest_spec_ctrl_ ^ host_spec_ctrl_);
        for (unsigned i : kPerSwitchMsrs)
            differs |= page.msr[i] ^ host_msr_[i];
        return differs != 0;
    }
    void save_host_user_state();
    void exchange_user_state(co_passage& page);

    bool begins_{false};
    bool differs_{false}; // what is exchanged per crossing, if need be
    static constexpr std::uint32_t kNoCpu = ~0u;
    std::uint32_t cpu_{kNoCpu}; // whose own values are in host_msr_
    std::uint64_t host_msr_[CO_MSR_COUNT]{};
    std::uint64_t host_xcr0_{}, guest_xcr0_{};
    std::uint64_t host_spec_ctrl_{}, guest_spec_ctrl_{};
    std::uint64_t guest_cr2_{};
    std::uint32_t host_pkru_{}, guest_pkru_{};
    cpu::Selectors host_selectors_{};
    std::uint64_t host_fs_base_{}, host_kernel_gs_base_{};
    std::uint64_t host_debug_ctl_{}, host_pebs_enable_{}; // what stop_debug_store() took away; 0: nothing
    bool host_has_pebs_{};
    std::uint64_t host_task_priority_{}; // CR8
    DebugRegisters host_debug_{}, guest_debug_{};
    std::uint64_t host_dr7_{};
    bool host_breakpoints_{};
    bool guest_breakpoints_{}; // armed, or DR6 says that one was met
};

} // namespace colinux
