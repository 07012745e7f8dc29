// SPDX-License-Identifier: GPL-2.0
// HostCpuState: the part of the CPU's state that the assembler does not exchange: MSRs, XCR0, debug registers.
//
// The host's values are constants of a CPU and read once when a vCPU comes to it; the guest's values of the
// MSRs are in its passage page, kept there by the graft. So no MSR is read on the way, and one is written only
// where the worlds differ. System call MSRs stay the guest's while the host merely handles an interrupt in
// ring 0: enter_guest_mode() and leave_guest_mode() bracket a burst, before_switch() and after_switch() each crossing.
#pragma once

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
    void before_switch(InterruptsOff&, co_passage& page);
    void after_switch(InterruptsOff&, co_passage& page);

private:
    struct DebugRegisters {
        std::uint64_t dr0, dr1, dr2, dr3, dr6, dr7;
        void save();
        void load() const;
    };

    void read_host_values();
    void stop_debug_store();
    void resume_debug_store();
    void set_first_values(co_passage& page);

    bool begins_{false};
    static constexpr std::uint32_t kNoCpu = ~0u;
    std::uint32_t cpu_{kNoCpu}; // whose own values are in host_msr_
    std::uint64_t host_msr_[CO_MSR_COUNT]{};
    std::uint64_t host_xcr0_{}, guest_xcr0_{};
    std::uint64_t host_spec_ctrl_{}, guest_spec_ctrl_{};
    std::uint32_t host_pkru_{}, guest_pkru_{};
    std::uint64_t host_debug_ctl_{}, host_pebs_enable_{};
    bool host_has_pebs_{};
    DebugRegisters host_debug_{}, guest_debug_{};
    bool host_breakpoints_{}, guest_breakpoints_{};
};

} // namespace colinux
