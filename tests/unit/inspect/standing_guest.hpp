// SPDX-License-Identifier: GPL-2.0
// StandingGuest: a fake kernel in fake guest memory with page tables, a stack, an unwind table and one vCPU that has just
// left for the host: all that can be looked into.
#pragma once

#include "tests/unit/loader/fake_kernel.hpp"
#include "tests/unit/loader/page_walk.hpp"

#include "vmm/inspect/guest_kernel.hpp"
#include "vmm/inspect/saved_state.hpp"

#include <colinux/boot_info.h>
#include <colinux/passage.h>

#include <array>
#include <memory>
#include <vector>

namespace colinux::testing {

class StandingGuest {
public:
    static constexpr std::uint64_t kRam = 0x4000'0000, kRamBytes = 8 << 20;
    static constexpr std::uint64_t kText = FakeKernel::kText;
    static constexpr std::uint64_t kStack = 0xffff'c900'0000'0000, kStackBytes = 0x4000;
    static constexpr std::uint64_t kGraftPhys = kRam + 0x60'0000;
    static constexpr std::uint64_t kPlaces = kText + 0x2800, kEntries = kText + 0x2a00; // the unwind table

    struct Unwind {
        std::uint64_t start; // of the code that it is for
        std::int16_t sp_offset, bp_offset;
        unsigned sp_base, bp_base, kind; // kind as in the table's layout
    };

    using Symbols = std::vector<std::pair<std::string, std::uint64_t>>; // as FakeKernel's
    explicit StandingGuest(const std::vector<Unwind>& table = {}, const Symbols& more_symbols = {})
    {
        FakeKernel fake;
        std::uint64_t count = table.size();
        fake.more_symbols = {{"T_etext", kText + 0x2700},
                             {"T__start_orc_unwind_ip", kPlaces},
                             {"T__stop_orc_unwind_ip", kPlaces + count * 4},
                             {"T__start_orc_unwind", kEntries},
                             {"T__stop_orc_unwind", kEntries + count * 6},
                             {"Touter_function", kText + 0x1800},
                             {"Tentry_code", kText + 0x1c00}};
        fake.more_symbols.insert(fake.more_symbols.end(), more_symbols.begin(), more_symbols.end());
        storage_.add(kRam, kRamBytes);
        memory = storage_.view();
        std::memset(memory.ranges()[0].host, 0, kRamBytes);
        load(fake.elf());
        std::uint64_t i = 0;
        for (const Unwind& entry : table)
            add(i++, entry);
        loaded.graft_phys = kGraftPhys;
        loaded.graft_text_bytes = 0x1000;
        loaded.graft_symbols = {{"co_call", CO_GRAFT_VIRT + 0x100}};
        for (std::uint64_t at = 0; at < kStackBytes; at += 4096)
            map(kStack + at, kRam + 0x50'0000 + at);
        for (std::uint64_t at = 0; at < 0x4000; at += 4096)
            map(kText + at, loaded.kernel_phys + at);
    }

    template <typename T>
    void put(std::uint64_t virt, T value)
    {
        if (!pages().write(virt, &value, sizeof value))
            throw std::runtime_error{"not mapped"};
    }

    // vCPU 0 left with this stack pointer, as after the switch's pushes, and will return to `rip`.
    void leave(std::uint64_t rip, std::uint64_t rsp, std::uint64_t rbp)
    {
        std::array<std::uint64_t, 8> pushed{15, 14, 13, 12, rbp, 0xb, 2, rip};
        put(rsp - sizeof pushed, pushed);
        passages[0].guest.rsp = rsp - sizeof pushed;
        passages[0].guest.cr3 = root_;
        passages[0].mailbox.call = CO_CALL_PANIC;
    }

    void map(std::uint64_t virt, std::uint64_t phys)
    {
        std::uint64_t table = root_;
        for (int shift = 39; shift > 12; shift -= 9) {
            auto* entry = word(table + (virt >> shift & 511) * 8);
            if (*entry == 0) {
                *entry = next_table_ | 3;
                next_table_ += 4096;
            }
            table = *entry & ~0xfffull;
        }
        *word(table + (virt >> 12 & 511) * 8) = phys | 3;
    }

    GuestPages pages() const { return {memory, root_, false}; }
    SavedState state() const { return *read_saved_state(memory, passages[0]); }

    GuestMemory memory;
    LoadedKernel loaded{};
    std::vector<co_passage> passages{2};

private:
    std::uint64_t* word(std::uint64_t phys) const { return reinterpret_cast<std::uint64_t*>(memory.translate(phys, 8)); }

    void load(const std::vector<std::byte>& elf)
    {
        ElfImage image{ByteView{elf}, "fake"};
        loaded.kernel_phys = kRam;
        loaded.release = "6.1.0-test";
        for (const ElfImage::Segment& segment : image.segments()) {
            std::uint64_t phys = kRam + (segment.phys - image.phys_start());
            std::memcpy(memory.translate(phys, segment.contents.size()), segment.contents.data(), segment.contents.size());
            loaded.segments.push_back({segment.virt, phys, segment.memory_bytes, segment.contents.size()});
        }
    }

    void add(std::uint64_t i, const Unwind& entry)
    {
        auto place = static_cast<std::uint32_t>(entry.start - (kPlaces + i * 4));
        std::memcpy(memory.translate(kRam + (kPlaces - kText) + i * 4, 4), &place, 4);
        std::byte* at = memory.translate(kRam + (kEntries - kText) + i * 6, 6);
        auto word = static_cast<std::uint16_t>(entry.sp_base | entry.bp_base << 4 | entry.kind << 8);
        std::memcpy(at, &entry.sp_offset, 2);
        std::memcpy(at + 2, &entry.bp_offset, 2);
        std::memcpy(at + 4, &word, 2);
    }

    FakeMemory storage_;
    std::uint64_t root_ = kRam + 0x40'0000, next_table_ = root_ + 4096;
};

} // namespace colinux::testing
