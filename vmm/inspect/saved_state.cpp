// SPDX-License-Identifier: GPL-2.0
#include "vmm/inspect/saved_state.hpp"

namespace colinux {

namespace {

struct PushedFrame { // by world_switch.S, from the saved RSP upwards
    std::uint64_t r15, r14, r13, r12, rbp, rbx, rflags, rip;
};

} // namespace

std::optional<SavedState> read_saved_state(const GuestMemory& memory, const co_passage& page)
{
    const co_world& world = page.guest;
    SavedState state{};
    state.cr0 = world.cr0;
    state.cr2 = page.user.cr2;
    state.cr3 = world.cr3;
    state.cr4 = world.cr4;
    auto frame = state.pages(memory).at<PushedFrame>(world.rsp);
    if (world.rsp == 0 || !frame)
        return std::nullopt;
    state.rip = frame->rip;
    state.rsp = world.rsp + sizeof *frame;
    state.rflags = frame->rflags;
    state.rbp = frame->rbp;
    state.rbx = frame->rbx;
    state.r12 = frame->r12;
    state.r13 = frame->r13;
    state.r14 = frame->r14;
    state.r15 = frame->r15;
    state.fs_base = page.user.fs_base;
    state.gs_base = world.gs_base;
    state.kernel_gs_base = page.user.kernel_gs_base;
    state.gdt_base = world.gdtr.base;
    state.gdt_limit = world.gdtr.limit;
    state.idt_base = world.idtr.base;
    state.idt_limit = world.idtr.limit;
    state.ss = world.ss;
    state.ds = page.user.ds;
    state.es = page.user.es;
    state.fs = page.user.fs;
    state.gs = page.user.gs;
    state.tr = world.tr;
    state.ldtr = page.user.ldtr;
    state.call = page.mailbox.call;
    return state;
}

} // namespace colinux
