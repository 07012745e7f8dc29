// SPDX-License-Identifier: GPL-2.0
#include "core/host_cpu_state.hpp"

namespace colinux {

constinit HostCpuState::Features HostCpuState::features{};

namespace {

// Index = CO_MSR_*
constexpr cpu::Msr kMsrs[CO_MSR_COUNT] = {
    cpu::Msr::Star,        cpu::Msr::Lstar,       cpu::Msr::Cstar, cpu::Msr::Sfmask, cpu::Msr::SysenterCs,
    cpu::Msr::SysenterEsp, cpu::Msr::SysenterEip, cpu::Msr::Pat,   cpu::Msr::TscAux, cpu::Msr::Xss,
};

// SDM Vol. 3, 18.4.8 and 17.4.1
constexpr std::uint64_t kPebsUnavailable = 1u << 12;
constexpr std::uint64_t kDebugCtlTr = 1u << 6, kDebugCtlBts = 1u << 7;

constexpr std::uint64_t kDr6Initial = 0xffff0ff0;

} // namespace

void HostCpuState::detect()
{
    auto leaf1 = cpu::cpuid(1, 0);
    auto leaf7 = cpu::cpuid(0, 0).eax >= 7 ? cpu::cpuid(7, 0) : cpu::CpuidResult{};
    auto extended1 = cpu::cpuid(0x80000001, 0);
    auto extended8 = cpu::cpuid(0x80000000, 0).eax >= 0x80000008 ? cpu::cpuid(0x80000008, 0) : cpu::CpuidResult{};
    features = {};
    features.xsave = leaf1.ecx & 1u << 27; // OSXSAVE: the host uses it
    features.pku = cpu::read_cr4() & cpu::kCr4Pke;
    features.spec_ctrl = (leaf7.edx & (1u << 26 | 1u << 27 | 1u << 31)) || (extended8.ebx & (1u << 14 | 1u << 15 | 1u << 24));
    features.debug_store = leaf1.edx & 1u << 21;
    for (bool& present : features.msr)
        present = true;
    features.msr[CO_MSR_TSC_AUX] = (extended1.edx & 1u << 27) || (leaf7.ecx & 1u << 22);
    features.msr[CO_MSR_XSS] = features.xsave && (cpu::cpuid(0xd, 1).eax & 1u << 3);
    features.msr[CO_MSR_SYSENTER_CS] = features.msr[CO_MSR_SYSENTER_ESP] = features.msr[CO_MSR_SYSENTER_EIP] =
        leaf1.edx & 1u << 11;
}

void HostCpuState::read_host_values()
{
    for (unsigned i = 0; i < CO_MSR_COUNT; ++i)
        host_msr_[i] = features.msr[i] ? cpu::read_msr(kMsrs[i]) : 0;
    host_xcr0_ = features.xsave ? cpu::read_xcr0() : 0;
    host_has_pebs_ = features.debug_store && !(cpu::read_msr(cpu::Msr::MiscEnable) & kPebsUnavailable);
}

void HostCpuState::set_first_values(co_passage& page)
{
    for (unsigned i = 0; i < CO_MSR_COUNT; ++i)
        page.msr[i] = host_msr_[i];
    guest_xcr0_ = host_xcr0_;
    guest_spec_ctrl_ = 0;
    guest_pkru_ = 0;
    guest_cr2_ = 0;
    guest_debug_ = {0, 0, 0, 0, kDr6Initial};
    guest_breakpoints_ = false;
}

// ---- per burst ----------------------------------------------------------------------------------------------

void HostCpuState::enter_guest_mode(InterruptsOff& off, co_passage& page)
{
    if (cpu_ != co_os_cpu()) {
        cpu_ = co_os_cpu();
        read_host_values();
    }
    if (begins_) {
        begins_ = false;
        set_first_values(page);
    }
    for (unsigned i = 0; i < CO_MSR_COUNT; ++i) {
        if (!is_per_switch(i) && features.msr[i] && page.msr[i] != host_msr_[i])
            cpu::write_msr(kMsrs[i], page.msr[i]);
    }
    save_host_user_state();
    page.user.load = 1; // by world_switch.S
    host_pkru_ = features.pku ? cpu::read_pkru() : 0;
    if (guest_pkru_ != host_pkru_ && features.pku)
        cpu::write_pkru(guest_pkru_);
    host_task_priority_ = cpu::read_cr8();
    host_spec_ctrl_ = features.spec_ctrl ? cpu::read_msr(cpu::Msr::SpecCtrl) : 0;
    host_has_run(off, page);
    if (!host_breakpoints_ && !guest_breakpoints_) // else both are exchanged at the crossing
        guest_debug_.load_addresses();
}

void HostCpuState::leave_guest_mode(InterruptsOff&, co_passage& page)
{
    resume_task_priority();
    resume_debug_store();
    exchange_user_state(page);
    if (!host_breakpoints_ && !guest_breakpoints_)
        guest_debug_.save_addresses();
    if (features.pku) {
        guest_pkru_ = cpu::read_pkru();
        if (guest_pkru_ != host_pkru_)
            cpu::write_pkru(host_pkru_);
    }
    for (unsigned i = 0; i < CO_MSR_COUNT; ++i) {
        if (!is_per_switch(i) && features.msr[i] && (page.msr_unsure || page.msr[i] != host_msr_[i]))
            cpu::write_msr(kMsrs[i], host_msr_[i]);
    }
}

void HostCpuState::save_host_user_state()
{
    host_selectors_ = cpu::read_selectors();
    host_fs_base_ = cpu::read_fs_base();
    host_kernel_gs_base_ = cpu::read_msr(cpu::Msr::KernelGsBase);
}

void HostCpuState::exchange_user_state(co_passage& page)
{
    cpu::Selectors guest = cpu::read_selectors();
    page.user = {cpu::read_fs_base(), cpu::read_msr(cpu::Msr::KernelGsBase), guest_cr2_, guest.ds, guest.es, guest.fs, guest.gs,
                 guest.ldtr, 0, 0};
    cpu::write_msr(cpu::Msr::KernelGsBase, host_kernel_gs_base_);
    // LDTR and selectors of the same number may mean different descriptors: only "none" is the same in both worlds
    constexpr cpu::Selectors kNone{};
    if (guest != kNone || host_selectors_ != kNone) {
        cpu::load_selectors(host_selectors_);
        cpu::write_msr(cpu::Msr::KernelGsBase, host_kernel_gs_base_);
    }
    cpu::write_fs_base(host_fs_base_);
}

// The host's perf may have the CPU write records to a buffer at a *linear* address: not in the guest's tables. It turns that on and off
// in its handlers, also in those that run amid a burst. Not seen: what the one does that an NMI calls which comes in the run loop itself.
void HostCpuState::stop_debug_store()
{
    host_debug_ctl_ = features.debug_store ? cpu::read_msr(cpu::Msr::DebugCtl) & (kDebugCtlTr | kDebugCtlBts) : 0;
    host_pebs_enable_ = host_has_pebs_ ? cpu::read_msr(cpu::Msr::PebsEnable) : 0;
    if (host_debug_ctl_)
        cpu::write_msr(cpu::Msr::DebugCtl, cpu::read_msr(cpu::Msr::DebugCtl) & ~host_debug_ctl_);
    if (host_pebs_enable_)
        cpu::write_msr(cpu::Msr::PebsEnable, 0);
}

void HostCpuState::resume_debug_store()
{
    if (host_debug_ctl_)
        cpu::write_msr(cpu::Msr::DebugCtl, cpu::read_msr(cpu::Msr::DebugCtl) | host_debug_ctl_);
    if (host_pebs_enable_)
        cpu::write_msr(cpu::Msr::PebsEnable, host_pebs_enable_);
    host_debug_ctl_ = host_pebs_enable_ = 0;
}

// ---- per crossing -------------------------------------------------------------------------------------------

void HostCpuState::host_has_run(InterruptsOff&, co_passage& page)
{
    host_breakpoints_ = cpu::read_debug<7>() & kDr7Enabled;
    if (cpu::read_cr2() != guest_cr2_)
        cpu::write_cr2(guest_cr2_);
    if (host_task_priority_)
        cpu::write_cr8(0);
    stop_debug_store();
    differs_ = per_switch_differs(page);
}

void HostCpuState::give_to_guest(InterruptsOff&, co_passage& page)
{
    for (unsigned i : kPerSwitchMsrs) {
        if (features.msr[i] && page.msr[i] != host_msr_[i])
            cpu::write_msr(kMsrs[i], page.msr[i]);
    }
    if (guest_xcr0_ != host_xcr0_)
        cpu::write_xcr0(guest_xcr0_);
    if (host_breakpoints_) {
        host_debug_.save();
        host_dr7_ = cpu::read_debug<7>();
        cpu::write_debug<7>(cpu::kDr7Off);
    }
    if (host_breakpoints_ || guest_breakpoints_)
        guest_debug_.load(); // DR7: by the switch, when the host's handlers are out of reach
    if (guest_spec_ctrl_ != host_spec_ctrl_)
        cpu::write_msr(cpu::Msr::SpecCtrl, guest_spec_ctrl_);
}

void HostCpuState::give_to_host(InterruptsOff&, co_passage& page)
{
    if (guest_spec_ctrl_ != host_spec_ctrl_)
        cpu::write_msr(cpu::Msr::SpecCtrl, host_spec_ctrl_);
    if (host_breakpoints_ || guest_breakpoints_)
        guest_debug_.save();
    if (host_breakpoints_) {
        host_debug_.load();
        cpu::write_debug<7>(host_dr7_);
    } else if (guest_breakpoints_) {
        cpu::write_debug<6>(kDr6Initial); // the CPU only adds bits: the guest's would be taken for the next breakpoint's
    }
    if (guest_xcr0_ != host_xcr0_)
        cpu::write_xcr0(host_xcr0_);
    for (unsigned i : kPerSwitchMsrs) {
        if (features.msr[i] && (page.msr_unsure || page.msr[i] != host_msr_[i]))
            cpu::write_msr(kMsrs[i], host_msr_[i]);
    }
}

void HostCpuState::DebugRegisters::save()
{
    save_addresses();
    dr6 = cpu::read_debug<6>();
}

void HostCpuState::DebugRegisters::save_addresses()
{
    dr0 = cpu::read_debug<0>();
    dr1 = cpu::read_debug<1>();
    dr2 = cpu::read_debug<2>();
    dr3 = cpu::read_debug<3>();
}

void HostCpuState::DebugRegisters::load_addresses() const
{
    if (cpu::read_debug<0>() != dr0)
        cpu::write_debug<0>(dr0);
    if (cpu::read_debug<1>() != dr1)
        cpu::write_debug<1>(dr1);
    if (cpu::read_debug<2>() != dr2)
        cpu::write_debug<2>(dr2);
    if (cpu::read_debug<3>() != dr3)
        cpu::write_debug<3>(dr3);
}

void HostCpuState::DebugRegisters::load() const
{
    cpu::write_debug<0>(dr0);
    cpu::write_debug<1>(dr1);
    cpu::write_debug<2>(dr2);
    cpu::write_debug<3>(dr3);
    cpu::write_debug<6>(dr6);
}

} // namespace colinux
