// SPDX-License-Identifier: GPL-2.0
// The driver: one per host. Counts guests and frames, knows why this machine cannot run any, and turns the glue's
// calls (host_os.h) into calls of Monitor and Vcpu.
#include "core/arch/x86_64/cpu.hpp"
#include "core/cpu_watch.hpp"
#include "core/guest_list.hpp"
#include "core/heap.hpp"
#include "core/host_cpu_state.hpp"
#include "core/interrupts_off.hpp"
#include "core/monitor.hpp"
#include "core/passage_window.hpp"

#include <colinux/abi.h>
#include <colinux/host_os.h>

namespace colinux {

namespace {

constinit FrameCounter all_frames{};
constinit GuestList guests{};
constinit co_u32 refusals = 0;
constinit std::atomic_flag search_for_memory{};

// One search at a time: each takes more than it needs, for a moment, so that its large run can form; two at once found the host's memory
// in pieces that neither had left behind. Interrupted: a signal came while it waited for the other one.
Result<void> allocate_memory(Monitor& monitor, co_allocate_memory& request)
{
    while (search_for_memory.test_and_set(std::memory_order_acquire)) {
        if (co_os_interrupted())
            return Error::Interrupted;
        co_os_pause();
    }
    Result<void> allocated = monitor.allocate_memory(request);
    search_for_memory.clear(std::memory_order_release);
    return allocated;
}

// What may change while the driver is loaded: what the host has turned on and the world switch does not carry
// (docs/world-switch.md has the whole list), and what it found out
co_u32 find_host_state()
{
    InterruptsOff off; // one CPU's
    std::uint64_t cr4 = cpu::read_cr4();
    co_u32 found = 0;
    if (cr4 & cpu::kCr4Fred)
        found |= CO_REFUSAL_FRED;
    if (cr4 & cpu::kCr4Cet && cpu::read_msr(cpu::Msr::SCet) & cpu::kSCetShadowStack)
        found |= CO_REFUSAL_SHADOW_STACK;
    if (cr4 & cpu::kCr4Uintr)
        found |= CO_REFUSAL_UINTR;
    if (cr4 & ~cpu::kCr4Known)
        found |= CO_REFUSAL_UNKNOWN_CR4;
    if (co_os_tsc_is_unstable())
        found |= CO_REFUSAL_TSC_UNSTABLE;
    return found;
}

co_u32 find_refusals()
{
    co_u32 found = 0;
    auto extended1 = cpu::cpuid(0x80000001, 0);
    auto leaf1 = cpu::cpuid(1, 0);
    if (!(extended1.edx & 1u << 20))
        found |= CO_REFUSAL_NO_NX;
    if (!(leaf1.edx & 1u << 24))
        found |= CO_REFUSAL_NO_FXSR;
    if (co_os_tsc_khz() == 0)
        found |= CO_REFUSAL_NO_INVARIANT_TSC;
    return found | find_host_state();
}

co_s64 to_errno(Result<void> result) { return result ? 0 : -static_cast<co_s64>(result.error()); }

void get_info(co_info& info)
{
    info = {};
    info.abi_version = CO_ABI_VERSION;
    info.passage_version = CO_PASSAGE_VERSION;
    info.refusals = refusals | find_host_state();
    info.tsc_khz = co_os_tsc_khz();
    info.host_cr4 = cpu::read_cr4();
    info.host_xcr0 = info.host_cr4 & cpu::kCr4OsXsave ? cpu::read_xcr0() : 0;
    info.guests = guests.count();
    info.frames = all_frames.frames();
}

Result<Monitor*> create_guest(co_create_guest& request)
{
    if (refusals | find_host_state()) // it may have been turned on since
        return Error::NoDevice;
    if (request.vcpus < 1 || request.vcpus > CO_MAX_VCPUS || request.flags || request.reserved)
        return Error::InvalidArgument;
    Monitor* monitor = make<Monitor>(request.vcpus, all_frames, (1000000ull << 32) / co_os_tsc_khz());
    if (!monitor)
        return Error::NoMemory;
    Result<void> created = monitor->create();
    if (!created) {
        destroy(monitor);
        return created.error();
    }
    request.passage_virt = monitor->passage_virt();
    guests.add(*monitor);
    return monitor;
}

void release(Monitor& monitor)
{
    if (!monitor.release())
        return;
    guests.remove(monitor);
    destroy(&monitor);
}

struct VcpuFile { // what the glue holds for a vCPU fd
    Monitor* monitor;
    Vcpu* vcpu;
};

co_s64 create_vcpu(Monitor& monitor, co_u64 index, void** created)
{
    auto* file = make<VcpuFile>();
    if (!file)
        return -static_cast<co_s64>(Error::NoMemory);
    Result<Vcpu*> vcpu = monitor.create_vcpu(index < CO_MAX_VCPUS ? index : CO_MAX_VCPUS);
    if (!vcpu) {
        destroy(file);
        return -static_cast<co_s64>(vcpu.error());
    }
    *file = {&monitor, vcpu.value()};
    *created = file;
    return 0;
}

} // namespace

} // namespace colinux

using namespace colinux;

extern "C" {

CO_ABI co_u32 co_core_start(co_u32 glue_refusals)
{
    refusals = glue_refusals | find_refusals();
    CpuWatch::set_limit(std::uint64_t{co_os_tsc_khz()} * co_os_longest_stay_us() / 1000);
    HostCpuState::detect();
    if (!refusals && !PassageWindow::open())
        refusals |= CO_REFUSAL_WINDOW;
    return refusals;
}

CO_ABI void co_core_stop(void)
{
    if (!refusals)
        PassageWindow::close();
}

CO_ABI void co_core_state(co_driver_state* state)
{
    *state = {guests.count(), all_frames.frames(), 0};
}

CO_ABI co_s64 co_core_device_request(co_u32 code, void* argument, void** created)
{
    switch (code) {
    case CO_GET_VERSION:
        return CO_ABI_VERSION;
    case CO_GET_INFO:
        get_info(*static_cast<co_info*>(argument));
        return 0;
    case CO_CREATE_GUEST: {
        Result<Monitor*> guest = create_guest(*static_cast<co_create_guest*>(argument));
        if (!guest)
            return -static_cast<co_s64>(guest.error());
        *created = guest.value();
        return 0;
    }
    }
    return -static_cast<co_s64>(Error::UnknownCall);
}

CO_ABI co_s64 co_core_guest_request(void* guest, co_u32 code, void* argument, co_u64 value, void** created)
{
    auto& monitor = *static_cast<Monitor*>(guest);
    if (monitor.ended() && code != CO_GET_GUEST_STATS && code != CO_GET_MEMORY && code != CO_BIND_IRQ_LINE)
        return -static_cast<co_s64>(Error::GuestEnded);
    switch (code) {
    case CO_ALLOCATE_MEMORY:
        return to_errno(allocate_memory(monitor, *static_cast<co_allocate_memory*>(argument)));
    case CO_GET_MEMORY:
        return to_errno(monitor.get_memory(*static_cast<co_get_memory*>(argument)));
    case CO_GIVE_UP_BLOCK:
        return to_errno(monitor.give_up_block(*static_cast<co_memory_block*>(argument)));
    case CO_TAKE_BACK_BLOCK:
        return to_errno(monitor.take_back_block(*static_cast<co_memory_block*>(argument)));
    case CO_SET_PASSAGE:
        return to_errno(monitor.set_passage(*static_cast<const co_set_passage*>(argument)));
    case CO_CREATE_VCPU:
        return create_vcpu(monitor, value, created);
    case CO_BIND_DOORBELL:
        return to_errno(monitor.bind_doorbell(*static_cast<const co_bind_doorbell*>(argument)));
    case CO_BIND_IRQ_LINE:
        return to_errno(monitor.bind_irq_line(*static_cast<const co_bind_irq_line*>(argument)));
    case CO_GET_GUEST_STATS:
        monitor.get_stats(*static_cast<co_guest_stats*>(argument));
        return 0;
    case CO_REQUEST_STOP:
        monitor.request_stop();
        return 0;
    }
    return -static_cast<co_s64>(Error::UnknownCall);
}

CO_ABI co_s64 co_core_vcpu_request(void* file, co_u32 code, void* argument)
{
    auto& vcpu_file = *static_cast<VcpuFile*>(file);
    switch (code) {
    case CO_SET_ENTRY:
        return to_errno(vcpu_file.monitor->set_entry(*vcpu_file.vcpu, *static_cast<const co_vcpu_entry*>(argument)));
    case CO_RUN:
        return to_errno(vcpu_file.vcpu->run());
    }
    return -static_cast<co_s64>(Error::UnknownCall);
}

CO_ABI void co_core_guest_release(void* guest) { release(*static_cast<Monitor*>(guest)); }

CO_ABI void co_core_vcpu_release(void* file)
{
    auto* vcpu_file = static_cast<VcpuFile*>(file);
    Monitor* monitor = vcpu_file->monitor;
    destroy(vcpu_file);
    release(*monitor);
}

CO_ABI co_u64 co_core_guest_frame(void* guest, co_u64 offset)
{
    return static_cast<Monitor*>(guest)->frame_at(offset).value;
}

CO_ABI co_u64 co_core_vcpu_frame(void* file, co_u64 offset)
{
    Vcpu& vcpu = *static_cast<VcpuFile*>(file)->vcpu;
    return offset == 0 ? vcpu.run_page_frame().value : offset == kPageSize ? vcpu.passage_frame().value : 0;
}

CO_ABI void co_core_end_guests(co_u32 reason) { guests.kill_all(reason); }

CO_ABI void co_core_set_clocks(void) { guests.set_clocks(); }

CO_ABI void co_core_watch_cpu(co_u32 watched) { CpuWatch::check(watched); }

} // extern "C"
