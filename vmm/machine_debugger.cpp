// SPDX-License-Identifier: GPL-2.0
// Machine, the part that a debugger drives: its vCPUs one by one.
#include "vmm/machine.hpp"

namespace colinux {

void Machine::make_debugger()
{
    if (!passage_known_)
        throw Failure{ExitCode::DriverVersion, "the driver is of another build than this program: --gdb needs both from one"};
    debugger_.emplace(static_cast<GuestCpus&>(*this), memory_, loaded_);
    if (config_.gdb.wait)
        debugger_->hold_at_start();
    std::lock_guard lock{guest_mutex_}; // who asks for the status looks at gdb_
    gdb_.emplace(gdb_listener_.get(), *debugger_, [this](const std::string& text) { log(text); });
}

void Machine::dismiss_debugger()
{
    for (auto& vcpu : vcpus_)
        vcpu->interrupt();
    for (auto& vcpu : vcpus_)
        vcpu->join(); // no breakpoint is met any more
    std::optional<GuestEnd> end;
    {
        std::lock_guard lock{mutex_};
        end = end_;
    }
    std::lock_guard lock{guest_mutex_}; // who asks for the status looks at gdb_
    if (gdb_ && end)
        gdb_->guest_ended(static_cast<int>(end->code));
    gdb_.reset();
    debugger_.reset();
}

// The kernel lies where it was linked for, whatever its command line says about KASLR: gdb needs no offset.
std::string Machine::debugger_hint() const
{
    if (!gdb_)
        return {};
    return "gdb: 127.0.0.1:" + std::to_string(config_.gdb.port) + ", for this user only" +
           (config_.gdb.wait ? "; the guest waits for its `continue`" : "") + "; symbols (package linux-image-" + loaded_.release +
           "-dbg) need no offset: gdb -ex 'target remote :" + std::to_string(config_.gdb.port) + "' /usr/lib/debug/boot/vmlinux-" +
           loaded_.release;
}

// The watchdog does not count while a CPU is held.
void Machine::pause(unsigned cpu)
{
    standing_still_++;
    vcpus_[cpu]->pause();
}

void Machine::hold(unsigned cpu)
{
    standing_still_++;
    vcpus_[cpu]->hold();
}

void Machine::resume(unsigned cpu)
{
    vcpus_[cpu]->resume();
    standing_still_--;
}

bool Machine::wait_until_paused(unsigned cpu, std::chrono::milliseconds limit) { return vcpus_[cpu]->wait_until_paused(limit); }

co_passage Machine::passage(unsigned cpu) const { return vcpus_[cpu]->file().passage(); }

unsigned Machine::sleep(unsigned cpu) const { return vcpus_[cpu]->file().run_page().sleep; }

} // namespace colinux
