// SPDX-License-Identifier: GPL-2.0
#include "core/passage.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/passage_window.hpp"

#include <colinux/host_os.h>

namespace colinux {

namespace {

constexpr std::uint64_t kFlatCode = 0x00af9b000000ffffull; // 64-bit, DPL 0; SDM Vol. 3, 3.4.5
constexpr std::uint64_t kFlatData = 0x00cf93000000ffffull;
constexpr co_u16 kFlatDataSelector = 0x18;
constexpr unsigned kVectorDebug = 1, kVectorNmi = 2, kVectorMachineCheck = 18;
constexpr unsigned kFaultsWithErrorCode[] = {8, 10, 11, 12, 13, 14};

void set_gate(co_u64* idt, unsigned vector, std::uint64_t handler)
{
    constexpr std::uint64_t kPresentInterruptGate = 0x8e00ull << 32;
    constexpr std::uint64_t kSelector = 0x10ull << 16;
    idt[2 * vector] = (handler & 0xffff) | kSelector | kPresentInterruptGate | ((handler >> 16 & 0xffff) << 48);
    idt[2 * vector + 1] = handler >> 32;
}

void fill_idt(co_u64* idt)
{
    set_gate(idt, kVectorDebug, CO_PASSAGE_VIRT + world_switch_offsets.debug);
    set_gate(idt, kVectorNmi, CO_PASSAGE_VIRT + world_switch_offsets.nmi);
    set_gate(idt, kVectorMachineCheck, CO_PASSAGE_VIRT + world_switch_offsets.mce);
    for (unsigned vector : kFaultsWithErrorCode)
        set_gate(idt, vector, CO_PASSAGE_VIRT + world_switch_offsets.fault);
}

bool has_fsgsbase() { return cpu::cpuid(0, 0).eax >= 7 && cpu::cpuid(7, 0).ebx & 1; }

} // namespace

Passage::~Passage()
{
    if (!frame_.value)
        return;
    PassageWindow::map(window_page_, Phys{});
    mapping_.unmap();
    co_os_frame_free(frame_.value);
    counter_.remove(1);
}

Result<void> Passage::create(Phys guest_table, unsigned window_page, unsigned vcpu)
{
    frame_ = Phys{co_os_frame_allocate()};
    if (frame_.value == 0)
        return Error::NoMemory;
    counter_.add(1);
    window_page_ = window_page;
    mapping_ = FrameMapping{frame_};
    page_ = mapping_.as<co_passage>();
    shared_ = reinterpret_cast<co_passage*>(PassageWindow::address(window_page));
    page_->version = CO_PASSAGE_VERSION;
    page_->vcpu = vcpu;
    page_->passage_cr4_set = has_fsgsbase() ? cpu::kCr4FsGsBase : 0;
    page_->passage_idtr = {{}, sizeof(co_passage::passage_idt) - 1, PassageWindow::address(window_page) + offsetof(co_passage, passage_idt)};
    fill_idt(page_->passage_idt);
    set_world(page_->host, PassageWindow::address(window_page) + offsetof(co_passage, host));
    set_world(page_->guest, PassageWindow::address(window_page) + offsetof(co_passage, guest));

    PassageWindow::map(window_page, frame_);
    FrameMapping{guest_table}.as<std::uint64_t>()[window_page] = PassageWindow::data_entry(frame_);
    return {};
}

void Passage::set_world(co_world& world, std::uint64_t world_virt)
{
    world.passage_gdt[2] = kFlatCode;
    world.passage_gdt[3] = kFlatData;
    world.passage_gdtr = {{}, sizeof(world.passage_gdt) - 1, world_virt + offsetof(co_world, passage_gdt)};
}

constexpr unsigned kFirstFrame = 72, kFrameWords = 8, kHandlerWords = 2 * 6;
static_assert(kFirstFrame + kFrameWords + kHandlerWords <= sizeof(co_passage::stack) / sizeof(co_u64));

void Passage::set_first_state(const co_vcpu_entry& entry)
{
    co_world& guest = page_->guest;
    // Callee-saved registers, RFLAGS and return address, in the order in which the switch pops them. Above, the passage's handlers
    // for NMI and #MC may nest before; below, the guest's first IDT may be used at once, and its handler comes through here again
    co_u64* frame = page_->stack + kFirstFrame;
    frame[0] = 0;          // R15
    frame[1] = 0;          // R14
    frame[2] = entry.rip;  // R13
    frame[3] = entry.rsp;  // R12
    frame[4] = entry.rsi;  // RBP
    frame[5] = entry.rdi;  // RBX
    frame[6] = 2;          // RFLAGS: IF = 0
    frame[7] = CO_PASSAGE_VIRT + world_switch_offsets.first_entry;
    guest.rsp = reinterpret_cast<std::uint64_t>(shared_) + offsetof(co_passage, stack) + kFirstFrame * sizeof(co_u64);

    guest.cr0 = cpu::read_cr0() & ~(cpu::kCr0Ts | cpu::kCr0Em);
    guest.cr3 = entry.cr3;
    guest.cr4 = cpu::kCr4Pae | cpu::kCr4Pge | (cpu::read_cr4() & (cpu::kCr4La57 | cpu::kCr4Mce));
    guest.gs_base = 0;
    guest.gdtr = guest.passage_gdtr;
    guest.idtr = {{}, static_cast<co_u16>(entry.idt_limit), entry.idt_base};
    guest.tr = 0;
    guest.ss = kFlatDataSelector;
    guest.dr7 = cpu::kDr7Off;
    page_->user = {};
    page_->timer_deadline = page_->timer_armed = page_->timer_slack = 0;
}

} // namespace colinux
