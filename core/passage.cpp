// SPDX-License-Identifier: GPL-2.0
#include "core/passage.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/arch/x86_64/world_switch.hpp"

#include <colinux/host_os.h>

#include <initializer_list>

namespace colinux {

namespace {

constexpr std::uint64_t kFlatCode = 0x00af9b000000ffffull; // 64-bit, DPL 0; SDM Vol. 3, 3.4.5
constexpr std::uint64_t kFlatData = 0x00cf93000000ffffull;
constexpr unsigned kVectorDebug = 1, kVectorNmi = 2, kVectorNotPresent = 11, kVectorStack = 12, kVectorProtection = 13,
                   kVectorMachineCheck = 18;

void set_gate(co_u64* idt, unsigned vector, std::uint64_t handler)
{
    constexpr std::uint64_t kPresentInterruptGate = 0x8e00ull << 32;
    constexpr std::uint64_t kSelector = 0x10ull << 16;
    idt[2 * vector] = (handler & 0xffff) | kSelector | kPresentInterruptGate | ((handler >> 16 & 0xffff) << 48);
    idt[2 * vector + 1] = handler >> 32;
}

void fill_idt(co_u64* idt, std::uint64_t code)
{
    set_gate(idt, kVectorDebug, code + world_switch_offsets.debug);
    set_gate(idt, kVectorNmi, code + world_switch_offsets.nmi);
    set_gate(idt, kVectorMachineCheck, code + world_switch_offsets.mce);
    for (unsigned vector : {kVectorNotPresent, kVectorStack, kVectorProtection})
        set_gate(idt, vector, code + world_switch_offsets.bad_selector);
}

bool has_fsgsbase() { return cpu::cpuid(7, 0).ebx & 1; }

} // namespace

void Passage::install_code(const co_set_passage& where)
{
    auto* page = static_cast<char*>(co_os_frame_address(where.code_phys));
    for (std::uint64_t i = 0; i < world_switch_offsets.end; ++i)
        page[i] = world_switch_begin[i];
}

Result<void> Passage::create(const co_set_passage& where, unsigned vcpu, unsigned levels)
{
    Phys frame{where.data_phys + vcpu * kPageSize};
    page_ = static_cast<co_passage*>(co_os_frame_address(frame.value));
    *page_ = co_passage{};
    page_->version = CO_PASSAGE_VERSION;
    page_->vcpu = vcpu;

    auto host_page = reinterpret_cast<std::uint64_t>(page_);
    auto host_code = reinterpret_cast<std::uint64_t>(world_switch_begin);
    std::uint64_t guest_page = where.data_virt + vcpu * kPageSize;
    set_world(page_->host, host_page, host_code, page_->passage_idt, host_page + offsetof(co_passage, passage_idt));
    set_world(page_->guest, guest_page, where.code_virt, page_->passage_idt_guest,
              guest_page + offsetof(co_passage, passage_idt_guest));

    TRY(transit_.create(levels));
    Phys host_text{co_os_text_frame(world_switch_begin)};
    TRY(transit_.map(align_down(host_code, kPageSize), host_text, TransitTables::Access::ReadExecute));
    TRY(transit_.map(where.code_virt, Phys{where.code_phys}, TransitTables::Access::ReadExecute));
    TRY(transit_.map(host_page, frame, TransitTables::Access::ReadWrite));
    TRY(transit_.map(guest_page, frame, TransitTables::Access::ReadWrite));
    page_->transit_cr3 = transit_.root().value;
    page_->passage_cr4_set = has_fsgsbase() ? cpu::kCr4FsGsBase : 0;
    return {};
}

void Passage::set_world(co_world& world, std::uint64_t page, std::uint64_t code, co_u64* idt, std::uint64_t idt_virt)
{
    world.page = page;
    world.arrival = code + world_switch_offsets.arrival;
    auto world_offset = reinterpret_cast<std::uint64_t>(&world) - reinterpret_cast<std::uint64_t>(page_);
    world.passage_gdt[2] = kFlatCode;
    world.passage_gdt[3] = kFlatData;
    world.passage_gdtr = {{}, sizeof(world.passage_gdt) - 1, page + world_offset + offsetof(co_world, passage_gdt)};
    world.passage_idtr = {{}, sizeof(co_passage::passage_idt) - 1, idt_virt};
    fill_idt(idt, code);
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
    frame[7] = guest.arrival - world_switch_offsets.arrival + world_switch_offsets.first_entry;
    guest.rsp = guest.page + offsetof(co_passage, stack) + kFirstFrame * sizeof(co_u64);

    guest.cr0 = cpu::read_cr0() & ~(cpu::kCr0Ts | cpu::kCr0Em);
    guest.cr2 = 0;
    guest.cr3 = entry.cr3;
    guest.cr4 = cpu::kCr4Pae | cpu::kCr4Pge | (cpu::read_cr4() & (cpu::kCr4La57 | cpu::kCr4Mce));
    guest.fs_base = guest.gs_base = guest.kernel_gs_base = 0;
    guest.gdtr = guest.passage_gdtr;
    guest.idtr = {{}, static_cast<co_u16>(entry.idt_limit), entry.idt_base};
    guest.ldtr = guest.tr = 0;
    guest.ds = guest.es = guest.fs = guest.gs = 0;
    guest.ss = 0x18;
}

void Passage::cross()
{
    auto world_switch = reinterpret_cast<co_passage_switch_fn>(const_cast<char*>(world_switch_begin));
    asm volatile("" : "+r"(world_switch)); // it is code without a function type: called through a register
    co_world *host = &page_->host, *guest = &page_->guest;
    call_world_switch(world_switch, page_, host, guest);
}

} // namespace colinux
