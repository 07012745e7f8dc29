// SPDX-License-Identifier: GPL-2.0
#include "vmm/gdb/cpu_view.hpp"

#include <cstring>

namespace colinux {

namespace {

constexpr std::uint64_t kKernelCode = 0x10, kKernelStack = 0x18; // Linux's selectors
constexpr std::uint64_t kFlagsOnStack = 6 * 8;                   // world_switch.S pushes RIP, RFLAGS, then six registers
constexpr std::uint64_t kHardwareFrame = 5 * 8;                  // RIP, CS, RFLAGS, RSP, SS

struct Field {
    Register which;
    std::uint64_t InterruptedRegisters::*word;
};
constexpr Field kFields[] = {
    {kRax, &InterruptedRegisters::ax}, {kRbx, &InterruptedRegisters::bx}, {kRcx, &InterruptedRegisters::cx},
    {kRdx, &InterruptedRegisters::dx}, {kRsi, &InterruptedRegisters::si}, {kRdi, &InterruptedRegisters::di},
    {kRbp, &InterruptedRegisters::bp}, {kRsp, &InterruptedRegisters::sp}, {kR8, &InterruptedRegisters::r8},
    {kR9, &InterruptedRegisters::r9},  {kR10, &InterruptedRegisters::r10}, {kR11, &InterruptedRegisters::r11},
    {kR12, &InterruptedRegisters::r12}, {kR13, &InterruptedRegisters::r13}, {kR14, &InterruptedRegisters::r14},
    {kR15, &InterruptedRegisters::r15}, {kRip, &InterruptedRegisters::ip}, {kEflags, &InterruptedRegisters::flags},
};

// An NMI that the kernel's own entry took amid the kernel returns by a second copy of what the CPU pushed, right above the first
// (entry_64.S: "iret" and "outermost" frame). False: it is not there.
bool find_iret_frame(CpuView& view, const GuestPages& pages, const InterruptedRegisters& registers)
{
    std::uint64_t words[5], at = view.registers_virt + sizeof registers;
    if (!pages.read(at, words, kHardwareFrame) || std::memcmp(words, &registers.ip, kHardwareFrame) != 0)
        return false;
    view.iret_virt = at;
    return true;
}

// `by_graft`: by the graft's own NMI gate, which returns by these registers
void show_interrupted(CpuView& view, const GuestPages& pages, std::uint64_t virt, const InterruptedRegisters& registers, bool by_graft = false)
{
    show(view.registers, registers);
    view.user_mode = registers.user_mode();
    view.registers_virt = virt;
    if (view.call == CO_CALL_NMI && !view.user_mode && !by_graft && !find_iret_frame(view, pages, registers))
        view.registers_virt = 0;
}

bool was_taken_off(std::uint32_t call)
{
    return call == CO_CALL_INTERRUPT || call == CO_CALL_NMI || call == CO_CALL_MCE;
}

} // namespace

void show(Registers& registers, const InterruptedRegisters& interrupted)
{
    for (const Field& field : kFields)
        registers[field.which] = interrupted.*field.word;
    registers[kCs] = interrupted.cs;
    registers[kSs] = interrupted.ss;
}

bool take_changes(InterruptedRegisters& interrupted, const Registers& shown, const Registers& wanted)
{
    Registers possible = shown;
    for (const Field& field : kFields) {
        interrupted.*field.word = wanted[field.which].value_or(interrupted.*field.word);
        possible[field.which] = wanted[field.which];
    }
    return possible == wanted;
}

CpuView first_view(const co_vcpu_entry& entry)
{
    CpuView view;
    view.cr3 = entry.cr3;
    view.registers[kRip] = entry.rip;
    view.registers[kRsp] = entry.rsp;
    view.registers[kRdi] = entry.rdi;
    view.registers[kRsi] = entry.rsi;
    view.registers[kEflags] = 2;
    view.registers[kCs] = kKernelCode;
    view.registers[kSs] = kKernelStack;
    view.registers[kCr3] = entry.cr3;
    return view;
}

std::optional<CpuView> look_at_cpu(const GuestKernel& kernel, const GuestMemory& memory, const co_passage& passage)
{
    std::optional<SavedState> state = read_saved_state(memory, passage);
    if (!state)
        return std::nullopt;
    GuestPages pages = state->pages(memory);
    CpuView view;
    view.cr3 = state->cr3;
    view.five_levels = state->five_levels();
    view.call = state->call;
    const std::pair<Register, std::uint64_t> always[] = {
        {kDs, state->ds},   {kEs, state->es},   {kFs, state->fs},   {kGs, state->gs}, {kFsBase, state->fs_base}, {kGsBase, state->gs_base},
        {kCr0, state->cr0}, {kCr2, state->cr2}, {kCr3, state->cr3}, {kCr4, state->cr4}};
    for (auto [which, value] : always)
        view.registers[which] = value;

    if (view.call == CO_CALL_DEBUGGER) {
        if (auto registers = pages.at<InterruptedRegisters>(passage.mailbox.arg[1]))
            show_interrupted(view, pages, passage.mailbox.arg[1], *registers);
        return view;
    }
    bool in_graft = false;
    for (const StackFrame& frame : unwind(kernel, pages, *state)) {
        if (!frame.sure)
            break;
        if (frame.registers) {
            show_interrupted(view, pages, frame.registers_virt, *frame.registers, in_graft);
            return view;
        }
        in_graft = kernel.in_graft(frame.ip);
        if (was_taken_off(view.call) || in_graft)
            continue;
        view.flags_virt = passage.guest.rsp + kFlagsOnStack;
        view.registers[kRip] = frame.ip;
        view.registers[kRsp] = frame.sp;
        view.registers[kRbp] = frame.bp;
        view.registers[kEflags] = state->rflags;
        view.registers[kCs] = kKernelCode;
        view.registers[kSs] = kKernelStack;
        return view;
    }
    view.registers[kRip] = state->rip; // early in its boot: the graft's own frame
    view.registers[kRsp] = state->rsp;
    view.registers[kRbp] = state->rbp;
    return view;
}

} // namespace colinux
