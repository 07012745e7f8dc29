// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/guest_debugger.hpp"

#include "vmm/call_names.hpp"
#include "vmm/gdb/packet.hpp"
#include "vmm/inspect/task.hpp"

#include <colinux/abi.h>
#include <colinux/boot_info.h>

#include <algorithm>
#include <cstring>

namespace colinux {

namespace {

using namespace std::chrono_literals;

constexpr auto kStopLimit = 10s; // as for a report
constexpr auto kNoticed = 1s;   // a shorter stop is no stall for anybody
constexpr unsigned kDebugVector = 1, kBreakpointVector = 3;
constexpr std::uint64_t kDr6Step = 1u << 14;
constexpr std::uint64_t kKernelHalf = 0xffff'8000'0000'0000;

bool is_ours(std::uint64_t virt) // graft, passage window
{
    return virt >= CO_GRAFT_VIRT && virt < CO_PASSAGE_VIRT + std::uint64_t{CO_PASSAGE_WINDOW_PAGES} * CO_PAGE_SIZE;
}

} // namespace

GuestDebugger::GuestDebugger(GuestCpus& cpus, const GuestMemory& memory, const LoadedKernel& loaded)
    : cpus_{cpus}, memory_{memory}, loaded_{loaded}, steps_(cpus.count()), held_(cpus.count())
{
    forbidden_.emplace(kernel());
    kernel_.reset();
}

GuestKernel& GuestDebugger::kernel()
{
    if (!kernel_)
        kernel_.emplace(loaded_, memory_);
    return *kernel_;
}

// ---- on the vCPUs' threads ----------------------------------------------------------------------------------

GuestDebugger::Met GuestDebugger::breakpoint(InterruptedRegisters& registers, const GuestPages& pages) const
{
    std::uint64_t place = registers.ip - 1;
    bool set = breakpoints_.has(place);
    auto byte = pages.at<std::uint8_t>(place);
    if (!set && (!byte || *byte == std::to_integer<std::uint8_t>(Breakpoints::kInt3)))
        return Met::NotOurs;
    registers.ip = place; // to execute what stands there, when it goes on
    return set ? Met::Stop : Met::GoOn; // removed while this CPU was on its way here
}

GuestDebugger::Met GuestDebugger::single_step(unsigned cpu, InterruptedRegisters& registers, const GuestPages& pages)
{
    SingleStep* step = &steps_[cpu];
    if (!step->active() && registers.user_mode()) { // a program's: it may have changed CPUs
        auto found = std::ranges::find_if(steps_, [](const SingleStep& one) { return one.active() && one.user_mode(); });
        if (found == steps_.end())
            return Met::NotOurs;
        step = &*found;
    }
    if (!step->active()) { // of a step that was given up: the kernel itself never steps
        registers.flags &= ~SingleStep::kTrapFlag;
        if (std::exchange(stray_mask_, false))
            registers.flags |= SingleStep::kInterruptFlag;
        return Met::GoOn;
    }
    if (is_ours(registers.ip) || !step->arrived(registers, pages))
        return Met::GoOn;
    step->end(registers, pages);
    return Met::Stop;
}

std::uint64_t GuestDebugger::trapped(unsigned cpu, const co_u64 (&arg)[4], const std::function<void()>& told)
{
    co_passage passage = cpus_.passage(cpu);
    GuestPages pages{memory_, passage.guest.cr3, (passage.guest.cr4 & 1u << 12) != 0};
    auto registers = pages.at<InterruptedRegisters>(arg[1]);
    bool step = arg[0] == kDebugVector && arg[2] & kDr6Step;
    if (!registers || (!step && arg[0] != kBreakpointVector))
        return 0;
    std::lock_guard lock{mutex_};
    Met met = step ? single_step(cpu, *registers, pages) : breakpoint(*registers, pages);
    if (met == Met::NotOurs)
        return 0;
    pages.write(arg[1], &*registers, sizeof *registers);
    if (met == Met::GoOn)
        return 1;
    if (!held_[cpu]) {
        held_[cpu] = true;
        cpus_.hold(cpu);
    }
    if (!trap_)
        trap_ = Trap{cpu, !step};
    told();
    return 1;
}

// ---- stopping and going -------------------------------------------------------------------------------------

void GuestDebugger::hold_at_start()
{
    for (unsigned cpu = 0; cpu < cpus(); cpu++) {
        held_[cpu] = true;
        cpus_.hold(cpu);
    }
}

bool GuestDebugger::stop()
{
    std::unique_lock lock{mutex_};
    for (unsigned cpu = 0; cpu < cpus(); cpu++)
        if (!held_[cpu]) {
            held_[cpu] = true;
            cpus_.pause(cpu);
            stood_since_ = std::chrono::steady_clock::now();
        }
    lock.unlock();
    bool all = true;
    auto deadline = std::chrono::steady_clock::now() + kStopLimit;
    for (unsigned cpu = 0; cpu < cpus(); cpu++) {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        all = cpus_.wait_until_paused(cpu, std::max(left, 0ms)) && all;
    }
    lock.lock();
    for (unsigned cpu = 0; cpu < cpus(); cpu++)
        give_up_step(cpu);
    return all;
}

// RCU measures its grace periods in jiffies, which jump when the guest goes on. What the kernel's rcu_cpu_stall_reset() does, which
// kgdb calls: nothing stalls until the next period, or (where the second word exists) until some more looks at this one.
void GuestDebugger::forgive_stall()
{
    if (std::chrono::steady_clock::now() - stood_since_ < kNoticed)
        return;
    kernel().set_member("rcu_state", "rcu_state", "nr_fqs_jiffies_stall", std::int32_t{3});
    kernel().set_member("rcu_state", "rcu_state", "jiffies_stall", ~std::uint64_t{0});
}

std::string GuestDebugger::go(const std::vector<Go>& how)
{
    forgive_stall();
    std::lock_guard lock{mutex_};
    std::string said;
    for (unsigned cpu = 0; cpu < how.size(); cpu++) {
        if (how[cpu] == Go::Hold || !held_[cpu])
            continue;
        if (how[cpu] == Go::Step && !begin_step(cpu)) {
            said = "colinux: CPU " + std::to_string(cpu) + " cannot make a single step here; continue, or set a breakpoint";
            trap_ = Trap{cpu, false};
            continue;
        }
        held_[cpu] = false;
        cpus_.resume(cpu);
    }
    return said;
}

std::optional<DebugTarget::Trap> GuestDebugger::take_trap()
{
    std::lock_guard lock{mutex_};
    return std::exchange(trap_, std::nullopt);
}

void GuestDebugger::let_go()
{
    stop();
    forgive_stall();
    std::lock_guard lock{mutex_};
    breakpoints_.remove_all();
    for (unsigned cpu = 0; cpu < cpus(); cpu++) {
        held_[cpu] = false;
        cpus_.resume(cpu);
    }
    trap_.reset();
    kernel_.reset();
}

bool GuestDebugger::begin_step(unsigned cpu)
{
    std::optional<CpuView> seen = view(cpu);
    if (!seen)
        return false;
    GuestPages pages = seen->pages(memory_);
    if (auto registers = seen->registers_virt ? pages.at<InterruptedRegisters>(seen->registers_virt) : std::nullopt) {
        steps_[cpu].begin(*registers, pages);
        store(*seen, *registers);
        return true;
    }
    auto flags = seen->flags_virt ? pages.at<std::uint64_t>(seen->flags_virt) : std::nullopt;
    if (!flags)
        return false;
    *flags |= SingleStep::kTrapFlag;
    pages.write(seen->flags_virt, &*flags, sizeof *flags);
    steps_[cpu].begin_in_call(seen->registers[kRip].value_or(0));
    return true;
}

void GuestDebugger::give_up_step(unsigned cpu)
{
    SingleStep& step = steps_[cpu];
    std::optional<CpuView> seen = step.active() ? view(cpu) : std::nullopt;
    if (!seen)
        return;
    GuestPages pages = seen->pages(memory_);
    auto registers = seen->registers_virt ? pages.at<InterruptedRegisters>(seen->registers_virt) : std::nullopt;
    if (registers && registers->flags & SingleStep::kTrapFlag) {
        step.end(*registers, pages);
        store(*seen, *registers);
        return;
    }
    if (auto flags = seen->flags_virt ? pages.at<std::uint64_t>(seen->flags_virt) : std::nullopt) {
        *flags &= ~SingleStep::kTrapFlag;
        pages.write(seen->flags_virt, &*flags, sizeof *flags);
    }
    stray_mask_ = step.forget() || stray_mask_;
}

// ---- what the debugger looks at -----------------------------------------------------------------------------

std::optional<CpuView> GuestDebugger::view(unsigned cpu)
{
    co_passage passage = cpus_.passage(cpu);
    std::optional<CpuView> seen = look_at_cpu(kernel(), memory_, passage);
    if (!seen && cpu == 0 && (passage.guest.cr3 == 0 || passage.guest.cr3 == loaded_.entry.cr3))
        return first_view(loaded_.entry);
    return seen;
}

bool GuestDebugger::runs(unsigned cpu)
{
    return cpu == 0 || (cpus_.sleep(cpu) != CO_SLEEP_STOPPED && read_saved_state(memory_, cpus_.passage(cpu)));
}

std::string GuestDebugger::about(unsigned cpu)
{
    std::string text = "CPU " + std::to_string(cpu);
    std::optional<CpuView> seen = view(cpu);
    if (!seen || !seen->registers[kGsBase])
        return text + ": has not begun";
    if (auto task = running_task(kernel(), seen->pages(memory_), *seen->registers[kGsBase]))
        text += ": " + task->name + "[" + std::to_string(task->pid) + "]";
    return text + (seen->call == CO_CALL_DEBUGGER ? "" : std::string{", "} + call_name(seen->call)) + (seen->user_mode ? ", in user mode" : "");
}

Registers GuestDebugger::registers(unsigned cpu)
{
    std::optional<CpuView> seen = view(cpu);
    return seen ? seen->registers : Registers{};
}

void GuestDebugger::store(const CpuView& seen, const InterruptedRegisters& registers) const
{
    GuestPages pages = seen.pages(memory_);
    pages.write(seen.registers_virt, &registers, sizeof registers);
    if (seen.iret_virt)
        pages.write(seen.iret_virt, &registers.ip, 5 * sizeof registers.ip);
}

std::string GuestDebugger::set_registers(unsigned cpu, const Registers& wanted)
{
    std::optional<CpuView> seen = view(cpu);
    if (!seen || !seen->registers_virt)
        return "this CPU is in a call to the host: its registers cannot be changed here";
    auto registers = seen->pages(memory_).at<InterruptedRegisters>(seen->registers_virt);
    if (!registers || !take_changes(*registers, seen->registers, wanted))
        return "only the general registers, rip and eflags can be changed";
    store(*seen, *registers);
    return {};
}

// Before the kernel has its page tables, its image is where the loader put it.
std::byte* GuestDebugger::find(const CpuView* seen, std::uint64_t virt, std::uint64_t& bytes) const
{
    if (std::byte* place = seen ? seen->pages(memory_).find(virt, bytes) : nullptr)
        return place;
    for (const LoadedKernel::Segment& segment : loaded_.segments)
        if (virt >= segment.virt && virt - segment.virt < segment.memory_bytes) {
            bytes = std::min(4096 - (virt & 4095), segment.memory_bytes - (virt - segment.virt));
            return memory_.translate(segment.phys + (virt - segment.virt), bytes);
        }
    return nullptr;
}

std::string GuestDebugger::read(unsigned cpu, std::uint64_t virt, std::size_t bytes)
{
    std::optional<CpuView> seen = view(cpu);
    std::string text;
    while (text.size() < bytes) {
        std::uint64_t here = 0;
        const std::byte* from = find(seen ? &*seen : nullptr, virt + text.size(), here);
        if (!from)
            break;
        text.append(reinterpret_cast<const char*>(from), std::min<std::uint64_t>(here, bytes - text.size()));
    }
    std::lock_guard lock{mutex_};
    breakpoints_.hide(virt, text);
    return text;
}

bool GuestDebugger::write(unsigned cpu, std::uint64_t virt, std::string_view bytes)
{
    std::optional<CpuView> seen = view(cpu);
    const CpuView* by = seen ? &*seen : nullptr;
    std::uint64_t here = 0;
    for (std::size_t done = 0; done < bytes.size(); done += here) // all or nothing: look first
        if (!find(by, virt + done, here))
            return false;
    std::lock_guard lock{mutex_};
    for (std::size_t done = 0; done < bytes.size(); done += here) {
        std::byte* to = find(by, virt + done, here);
        here = std::min<std::uint64_t>(here, bytes.size() - done);
        std::memcpy(to, bytes.data() + done, here);
    }
    breakpoints_.rewritten(virt, bytes.size());
    return true;
}

std::string GuestDebugger::insert(unsigned cpu, std::uint64_t virt)
{
    if (virt < kKernelHalf)
        return "only the kernel's code can have breakpoints";
    if (is_ours(virt))
        return "this is the graft: breakpoints are reported by it, it cannot have any";
    if (forbidden_->holds(virt))
        return "the kernel's own handling of breakpoints runs through here: none can be set";
    std::optional<CpuView> seen = view(cpu);
    std::uint64_t bytes = 0;
    std::byte* place = find(seen ? &*seen : nullptr, virt, bytes);
    if (!place)
        return "no memory there";
    std::lock_guard lock{mutex_};
    breakpoints_.insert(virt, place);
    return {};
}

void GuestDebugger::remove(std::uint64_t virt)
{
    std::lock_guard lock{mutex_};
    breakpoints_.remove(virt);
}

// ---- monitor ------------------------------------------------------------------------------------------------

std::string GuestDebugger::trace(unsigned cpu)
{
    std::optional<SavedState> state = read_saved_state(memory_, cpus_.passage(cpu));
    std::string text;
    if (!state)
        return "this CPU has not begun";
    GuestPages pages = state->pages(memory_);
    for (const StackFrame& frame : unwind(kernel(), pages, *state)) {
        bool user = frame.registers && frame.registers->user_mode();
        text += (text.empty() ? "" : "\n") + std::string{frame.sure ? "  " : "? "} + "0x" + number_to_hex(frame.ip) + " " +
                (user ? "[user mode]" : kernel().describe(frame.ip, frame.returns));
    }
    return text;
}

std::string GuestDebugger::monitor(unsigned cpu, std::string_view command)
{
    std::size_t space = command.find(' ');
    std::string_view word = command.substr(0, space), rest = space == std::string_view::npos ? "" : command.substr(space + 1);
    if (word == "symbol") {
        std::optional<std::uint64_t> address = kernel().address(rest);
        return address ? "0x" + number_to_hex(*address) : "no such symbol";
    }
    if (word == "where") {
        auto address = number_from_hex(rest.starts_with("0x") ? rest.substr(2) : rest);
        return address ? kernel().describe(*address) : "expected: where ADDRESS";
    }
    if (word == "trace")
        return trace(cpu);
    return "symbol NAME    address of a function or variable of the kernel\n"
           "where ADDRESS  the function there\n"
           "trace          what this CPU's stack says, with the graft's frames";
}

} // namespace colinux
