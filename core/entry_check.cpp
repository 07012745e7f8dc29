// SPDX-License-Identifier: GPL-2.0
#include "core/entry_check.hpp"

#include "core/arch/x86_64/cpu.hpp"
#include "core/passage_window.hpp"

#include <colinux/host_os.h>

namespace colinux {

namespace {

// Page table entries, SDM Vol. 3, table 4-20
constexpr std::uint64_t kPresent = 1, kWritable = 2, kLargePage = 1 << 7, kNoExecute = 1ull << 63;
constexpr std::uint64_t kAddressMask = 0x000ffffffffff000ull;
constexpr unsigned kLargestPageLevel = 3; // 1 GiB

constexpr std::uint64_t kLeastGdtLimit = 3 * 8 - 1; // with the kernel's code segment, selector 0x10
constexpr std::uint64_t kTaskLimit = 0x67;          // SDM Vol. 3, 8.7

constexpr co_u64 kNothing = 0; // watched where there is nothing to watch

constexpr unsigned shift_of(unsigned level) { return 12 + 9 * (level - 1); }
constexpr unsigned slot_of(std::uint64_t virt, unsigned level) { return virt >> shift_of(level) & 511; }

} // namespace

void EntryCheck::create(Phys table, unsigned window_page, std::uint64_t data_entry)
{
    levels_ = cpu::read_cr4() & cpu::kCr4La57 ? 5 : 4;
    window_page_ = window_page;
    table_phys_ = table.value;
    code_entry_ = PassageWindow::code_entry();
    data_entry_ = data_entry;
    for (const co_u64*& where : watched_)
        where = &kNothing;
    table_ = FrameMapping{table};
    watched_[kWatchCode] = table_.as<const co_u64>();
    watched_[kWatchData] = table_.as<const co_u64>() + window_page;
    bool has_xss = cpu::cpuid(0, 0).eax >= 0xd && (cpu::cpuid(1, 0).ecx & 1u << 27) && (cpu::cpuid(0xd, 1).eax & 1u << 3);
    cpu::CpuidResult xsave = has_xss ? cpu::cpuid(0xd, 1) : cpu::CpuidResult{};
    xss_supported_ = std::uint64_t{xsave.edx} << 32 | xsave.ecx;
}

void EntryCheck::forget(const co_passage& page)
{
    if (!task_descriptor_) // it has not begun
        return;
    for (unsigned level = 0; level + 1 < kMaxLevels; ++level)
        watched_[kWatchDirectories + level] = &kNothing;
    for (Table& table : directories_)
        table.mapping.unmap();
    idt_ = task_ = {};
    if (align_down(gdt_.base, CO_BLOCK_SIZE) != CO_PASSAGE_VIRT) // else it is the one that a CPU begins with, and no guest RAM
        gdt_ = {};
    sound_sum_ = ~sum(page); // look
}

void EntryCheck::start(const co_passage& page)
{
    task_descriptor_ = page.guest.passage_gdt;
    gdt_ = {page.guest.gdtr.base, page.guest.gdtr.limit};
    forget(page);
}

unsigned EntryCheck::examine(const co_passage& page)
{
    const co_world& guest = page.guest;
    std::uint64_t root = guest.cr3 & kAddressMask;
    if (!enter(directories_[levels_ - 1], root))
        return CO_BAD_STATE_CR3;
    if (!maps_window(root))
        return CO_BAD_STATE_WINDOW;
    if (guest.idtr.limit != 0 && !is_sound(root, {guest.idtr.base, guest.idtr.limit}, idt_)) // 0: it has none yet
        return CO_BAD_STATE_IDT;
    if (guest.gdtr.limit < kLeastGdtLimit || !is_sound(root, {guest.gdtr.base, guest.gdtr.limit}, gdt_))
        return CO_BAD_STATE_GDT;
    // 0: the descriptor that it had loaded TR from is no longer one; or it has not loaded any yet
    if (guest.tr == 0 ? task_.limit != 0 : !is_sound(root, task_segment(guest), task_))
        return CO_BAD_STATE_TSS;
    // Written at each crossing; the others once a burst
    if (!is_sound(page, CO_MSR_PAT) || !is_sound(page, CO_MSR_XSS))
        return CO_BAD_STATE_MSR;
    task_descriptor_ = &guest.passage_gdt[guest.tr / 8];
    sound_sum_ = sum(page);
    return 0;
}

unsigned EntryCheck::unfit_msr(const co_passage& page)
{
    for (unsigned msr = 0; msr < CO_MSR_COUNT; ++msr) {
        if (!is_sound(page, msr))
            return CO_BAD_STATE_MSR;
    }
    return 0;
}

// Will WRMSR take it? SDM Vol. 4, table 2-2. Elsewhere it would fault in the middle of the host.
bool EntryCheck::is_sound(const co_passage& page, unsigned msr)
{
    std::uint64_t value = page.msr[msr];
    if (value == msr_[msr])
        return true;
    bool sound = true;
    switch (msr) {
    case CO_MSR_LSTAR:
    case CO_MSR_CSTAR:
    case CO_MSR_SYSENTER_ESP:
    case CO_MSR_SYSENTER_EIP: {
        unsigned unused_bits = levels_ == 5 ? 7 : 16;
        sound = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused_bits) >> unused_bits) == value;
        break;
    }
    case CO_MSR_SFMASK:
    case CO_MSR_SYSENTER_CS:
    case CO_MSR_TSC_AUX:
        sound = value >> 32 == 0;
        break;
    case CO_MSR_PAT:
        for (unsigned byte = 0; byte < 8; ++byte) {
            unsigned type = value >> 8 * byte & 0xff;
            sound = sound && type <= 7 && type != 2 && type != 3;
        }
        break;
    case CO_MSR_XSS:
        sound = (value & ~xss_supported_) == 0;
        break;
    }
    if (sound)
        msr_[msr] = value;
    return sound;
}

// `table` becomes the one at `phys`. False: that is not the guest's memory.
bool EntryCheck::enter(Table& table, std::uint64_t phys) const
{
    if (table.phys == phys && table.mapping)
        return true;
    if (!ram_.contains(Phys{phys}, kPageSize))
        return false;
    table.phys = phys;
    table.mapping = FrameMapping{Phys{phys}};
    return true;
}

bool EntryCheck::maps_window(std::uint64_t root)
{
    std::uint64_t phys = root;
    for (unsigned level = levels_; level > 1; --level) {
        Table& table = directories_[level - 1];
        if (!enter(table, phys))
            return false;
        const co_u64* entry = &table.entries()[slot_of(CO_PASSAGE_VIRT, level)];
        watched_[kWatchDirectories + level - 2] = entry; // at once: what was watched may be unmapped by now
        if ((*entry & (kPresent | kWritable | kLargePage | kNoExecute)) != (kPresent | kWritable))
            return false;
        phys = *entry & kAddressMask;
    }
    return phys == table_phys_ && *watched_[kWatchCode] == code_entry_ && *watched_[kWatchData] == data_entry_;
}

bool EntryCheck::maps(std::uint64_t root, std::uint64_t virt) const
{
    std::uint64_t phys = root & kAddressMask;
    for (unsigned level = levels_; ram_.contains(Phys{phys}, kPageSize); --level) {
        std::uint64_t entry = FrameMapping{Phys{phys}}.as<const co_u64>()[slot_of(virt, level)];
        if (!(entry & kPresent))
            return false;
        phys = entry & kAddressMask;
        if (level == 1 || (level <= kLargestPageLevel && entry & kLargePage)) {
            std::uint64_t offset = virt & ((1ull << shift_of(level)) - 1);
            return ram_.contains(Phys{align_down(phys, 1ull << shift_of(level)) + align_down(offset, kPageSize)}, kPageSize);
        }
    }
    return false;
}

// The page tables are only asked about what has changed: these hardly ever do.
bool EntryCheck::is_sound(std::uint64_t root, Segment segment, Segment& known) const
{
    if (segment.limit == 0)
        return false;
    if (segment.base == known.base && segment.limit == known.limit)
        return true;
    if (segment.base + segment.limit < segment.base || !maps(root, segment.base) || !maps(root, segment.base + segment.limit))
        return false;
    known = segment;
    return true;
}

// Of the descriptor that the switch will load TR from; {0, 0} when it cannot. SDM Vol. 3, figure 8-4.
EntryCheck::Segment EntryCheck::task_segment(const co_world& guest)
{
    constexpr unsigned kSlots = sizeof(guest.passage_gdt) / sizeof(guest.passage_gdt[0]);
    constexpr std::uint64_t kTypeMask = 0x9dull << 40, kPresentTask = 0x89ull << 40; // busy or not
    unsigned slot = guest.tr / 8;
    if (guest.tr % 8 != 0 || slot + 1 >= kSlots || (guest.passage_gdt[slot] & kTypeMask) != kPresentTask)
        return {0, 0};
    std::uint64_t low = guest.passage_gdt[slot];
    return {(low >> 16 & 0xffffff) | (low >> 56) << 24 | guest.passage_gdt[slot + 1] << 32, kTaskLimit};
}

} // namespace colinux
