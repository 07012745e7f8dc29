// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/report.hpp"

#include "vmm/call_names.hpp"
#include "vmm/inspect/task.hpp"
#include "vmm/inspect/unwinder.hpp"

#include <colinux/abi.h>

#include <cstdio>

namespace colinux {

using nlohmann::json;

namespace {

std::string hexadecimal(std::uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(number));
    return text;
}

json registers_of(const InterruptedRegisters& r)
{
    json registers;
    const std::pair<const char*, std::uint64_t> all[] = {
        {"rip", r.ip}, {"rsp", r.sp}, {"rflags", r.flags}, {"cs", r.cs},   {"ss", r.ss},   {"rax", r.ax},
        {"rbx", r.bx}, {"rcx", r.cx}, {"rdx", r.dx},       {"rsi", r.si},  {"rdi", r.di},  {"rbp", r.bp},
        {"r8", r.r8},  {"r9", r.r9},  {"r10", r.r10},      {"r11", r.r11}, {"r12", r.r12}, {"r13", r.r13},
        {"r14", r.r14}, {"r15", r.r15}, {"orig_rax", r.orig_ax}};
    for (const auto& [name, value] : all)
        registers[name] = hexadecimal(value);
    return registers;
}

json registers_of(const SavedState& s)
{
    json registers;
    const std::pair<const char*, std::uint64_t> all[] = {
        {"rip", s.rip}, {"rsp", s.rsp}, {"rflags", s.rflags}, {"rbx", s.rbx}, {"rbp", s.rbp}, {"r12", s.r12}, {"r13", s.r13},
        {"r14", s.r14}, {"r15", s.r15}, {"cr0", s.cr0}, {"cr2", s.cr2}, {"cr3", s.cr3}, {"cr4", s.cr4}, {"fs_base", s.fs_base},
        {"gs_base", s.gs_base}, {"kernel_gs_base", s.kernel_gs_base}, {"gdt_base", s.gdt_base}, {"gdt_limit", s.gdt_limit},
        {"idt_base", s.idt_base}, {"idt_limit", s.idt_limit}, {"ss", s.ss}, {"ds", s.ds}, {"es", s.es}, {"fs", s.fs},
        {"gs", s.gs}, {"tr", s.tr}, {"ldtr", s.ldtr}};
    for (const auto& [name, value] : all)
        registers[name] = hexadecimal(value);
    return registers;
}

json task_of(const GuestKernel& kernel, const GuestPages& pages, std::uint64_t per_cpu)
{
    std::optional<RunningTask> task = running_task(kernel, pages, per_cpu);
    return task ? json{{"name", task->name}, {"pid", task->pid}} : json(nullptr);
}

json trace_of(const GuestKernel& kernel, const GuestPages& pages, const SavedState& state)
{
    json trace = json::array();
    for (const StackFrame& frame : unwind(kernel, pages, state)) {
        bool user = frame.registers && frame.registers->user_mode();
        json line{{"address", hexadecimal(frame.ip)}, {"sure", frame.sure}};
        line["symbol"] = user ? "[user mode]" : kernel.describe(frame.ip, frame.returns);
        if (frame.registers)
            line["registers"] = registers_of(*frame.registers);
        trace.push_back(line);
    }
    return trace;
}

} // namespace

json report_cpus(const GuestKernel& kernel, const GuestMemory& memory, const std::vector<co_passage>& passages,
                 const std::vector<unsigned>& sleeps)
{
    json cpus = json::array();
    for (unsigned cpu = 0; cpu < sleeps.size(); cpu++) {
        json about{{"cpu", cpu}};
        auto state = read_saved_state(memory, passages[cpu]);
        if (sleeps[cpu] == CO_SLEEP_STOPPED || !state) {
            about["state"] = sleeps[cpu] == CO_SLEEP_STOPPED ? "offline" : "its state cannot be read";
        } else {
            GuestPages pages = state->pages(memory);
            about["state"] = std::string{"left the guest by the call "} + call_name(state->call);
            about["task"] = task_of(kernel, pages, state->gs_base);
            about["registers"] = registers_of(*state);
            about["trace"] = trace_of(kernel, pages, *state);
        }
        cpus.push_back(about);
    }
    return cpus;
}

} // namespace colinux
