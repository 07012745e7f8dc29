// SPDX-License-Identifier: GPL-2.0
// EntryCheck: can a guest continue from the state in which it left? Asked before each entry. What it refuses would be a
// triple fault, which resets the machine: the switch loads the guest's CR3 while it runs in the passage window, so page tables
// that do not map that cannot even fetch the next instruction; and without IDT, GDT or TSS the guest's next exception finds no
// handler. It is there for mistakes, of which most are still to be seen a moment later; a guest that means harm changes its
// tables behind it.
//
// Cheap: the words that matter (registers, the entries of the page tables on the way to the window, the TSS descriptor) are added
// up, and looked at only when the sum is not that of the last time. One changed word always shows; several escape only when
// their differences cancel out, which no mistake does.
#pragma once

#include "core/frame_mapping.hpp"
#include "core/guest_ram.hpp"

#include <colinux/abi.h>
#include <colinux/passage.h>

namespace colinux {

class EntryCheck {
public:
    explicit EntryCheck(const GuestRam& ram) : ram_{ram} {}

    // `table`: the guest's page table of the passage window, in which the vCPU's own page must be `data_entry`.
    void create(Phys table, unsigned window_page, std::uint64_t data_entry);

    // The CPU begins anew: on the passage's GDT, without a task register.
    void start(const co_passage& page);

    // Guest RAM has become less: look at all of it again before the next entry, and until then at none of it.
    void forget(const co_passage& page);

    // 0, or the CO_BAD_STATE_* that cannot be continued from. Any context. The first before each entry; the second, too,
    // before the MSRs of the guest are loaded.
    unsigned unfit_item(const co_passage& page) { return sum(page) == sound_sum_ ? 0 : examine(page); }
    unsigned unfit_msr(const co_passage& page);

    // Do the page tables at `root` map `virt` to memory of the guest? Any context.
    bool maps(std::uint64_t root, std::uint64_t virt) const;

private:
    static constexpr unsigned kMaxLevels = 5;

    struct Table { // known to lie in guest RAM
        std::uint64_t phys;
        FrameMapping mapping;
        const co_u64* entries() const { return mapping.as<const co_u64>(); }
    };
    struct Segment { // found sound
        std::uint64_t base;
        std::uint64_t limit;
    };

    std::uint64_t sum(const co_passage& page) const
    {
        const co_world& guest = page.guest;
        std::uint64_t sum = guest.cr3 + guest.gdtr.limit + guest.gdtr.base + guest.idtr.limit + guest.idtr.base + guest.tr +
                            task_descriptor_[0] + task_descriptor_[1] + page.msr[CO_MSR_PAT] + page.msr[CO_MSR_XSS];
#pragma GCC unroll 8
        for (const co_u64* where : watched_)
            sum += *where;
        return sum;
    }

    unsigned examine(const co_passage& page);
    bool enter(Table& table, std::uint64_t phys) const;
    bool maps_window(std::uint64_t root);
    bool is_sound(std::uint64_t root, Segment segment, Segment& known) const;
    bool is_sound(const co_passage& page, unsigned msr);
    static Segment task_segment(const co_world& guest);

    // Of watched_: one entry for each level of page tables above the last, two of the last
    enum { kWatchDirectories, kWatchCode = kWatchDirectories + kMaxLevels - 1, kWatchData, kWatched };

    const GuestRam& ram_;
    std::uint64_t sound_sum_{};
    const co_u64* watched_[kWatched]{};
    const co_u64* task_descriptor_{};
    unsigned levels_{}, window_page_{};
    std::uint64_t table_phys_{}, code_entry_{}, data_entry_{};
    Table directories_[kMaxLevels]{}; // index: level - 1
    FrameMapping table_{};            // of the passage window
    Segment idt_{}, gdt_{}, task_{};
    std::uint64_t msr_[CO_MSR_COUNT]{}; // found sound
    std::uint64_t xss_supported_{};
};

} // namespace colinux
