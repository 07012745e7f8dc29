// SPDX-License-Identifier: GPL-2.0
// Passage: what stands in the shared page before the first crossing.
#include "tests/unit/core/core_test.hpp"

#include "core/arch/x86_64/world_switch.hpp"

namespace colinux {

namespace {

using PassageTest = CoreTest;

std::uint64_t gate_target(const co_u64* idt, unsigned vector)
{
    return (idt[2 * vector] & 0xffff) | (idt[2 * vector] >> 48 << 16) | idt[2 * vector + 1] << 32;
}

TEST_F(PassageTest, EachVcpuHasItsOwnPageAtTheSameAddressInBothWorlds)
{
    constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000, kRights = 0x8000'0000'0000'0063; // NX, dirty, accessed, write, present
    TestGuest guest{3};
    auto* guest_table = static_cast<std::uint64_t*>(host().address_of(guest.ram()));
    unsigned first = (guest.passage_virt() - CO_PASSAGE_VIRT) / kPageSize;
    for (unsigned i : {0u, 1u, 2u}) {
        EXPECT_EQ(guest.page(i).version, static_cast<co_u32>(CO_PASSAGE_VERSION));
        EXPECT_EQ(guest.page(i).vcpu, i);
        EXPECT_EQ(host().address_of(host().window.at(first + i)), &guest.page(i));
        EXPECT_EQ(guest_table[first + i], host().window.at(first + i) | kRights);
        EXPECT_EQ(guest_table[first + i] & kFrame, host().window.at(first + i));
    }
    EXPECT_EQ(guest_table[0], host().window.at(0) | 0x21) << "the code: accessed, present";
    EXPECT_EQ(guest_table[first + 3], 0u);
}

TEST_F(PassageTest, FrameIsTheHostsAndNotGuestRam)
{
    TestGuest guest;
    co_guest_stats stats = guest.stats();
    EXPECT_EQ(stats.overhead_frames, 2u) << "run page and passage";
    EXPECT_FALSE(guest.page().passage_idtr.base - guest.ram() < TestGuest::kBytes);
}

TEST_F(PassageTest, HandlersLieInTheSharedCode)
{
    TestGuest guest;
    const co_passage& page = guest.page();
    EXPECT_EQ(gate_target(page.passage_idt, 2), CO_PASSAGE_VIRT + world_switch_offsets.nmi);
    EXPECT_EQ(gate_target(page.passage_idt, 18), CO_PASSAGE_VIRT + world_switch_offsets.mce);
    EXPECT_EQ(gate_target(page.passage_idt, 1), CO_PASSAGE_VIRT + world_switch_offsets.debug);
    for (unsigned vector : {8u, 10u, 11u, 12u, 13u, 14u})
        EXPECT_EQ(gate_target(page.passage_idt, vector), CO_PASSAGE_VIRT + world_switch_offsets.fault) << vector;
    EXPECT_EQ(page.passage_idt[2] >> 47 & 1, 1u) << "present";
    EXPECT_EQ(page.passage_idt[2 * 3] >> 47 & 1, 0u) << "nothing in the switch breaks";
}

TEST_F(PassageTest, DescriptorTablesOfThePassageLieInThePage)
{
    TestGuest guest;
    co_passage& page = guest.page();
    auto virt = [&](const void* field) {
        return guest.passage_virt() + (reinterpret_cast<std::uint64_t>(field) - reinterpret_cast<std::uint64_t>(&page));
    };
    EXPECT_EQ(page.host.passage_gdtr.base, virt(page.host.passage_gdt));
    EXPECT_EQ(page.guest.passage_gdtr.base, virt(page.guest.passage_gdt));
    EXPECT_EQ(page.guest.passage_gdtr.limit, sizeof(page.guest.passage_gdt) - 1);
    EXPECT_EQ(page.passage_idtr.base, virt(page.passage_idt));
    EXPECT_EQ(page.passage_idtr.limit, sizeof(page.passage_idt) - 1);
}

// Where RSP of a vCPU that has not run yet points to.
const co_u64* first_frame(const co_passage& page)
{
    return page.stack + (page.guest.rsp % kPageSize - offsetof(co_passage, stack)) / sizeof(co_u64);
}

// Bug: it lay at the stack's end. An NMI that met the guest's IDT there overwrote the tables below.
TEST_F(PassageTest, FirstFrameHasRoomForHandlersOnBothSides)
{
    TestGuest guest;
    const co_passage& page = guest.page();
    EXPECT_GE(first_frame(page) - page.stack, 64) << "an early NMI's, and its way through the passage";
    EXPECT_GE(std::end(page.stack) - (first_frame(page) + 8), 12) << "those of the passage on the way in: an NMI and a machine check";
}

TEST_F(PassageTest, FirstStateIsTheEntrysWithInterruptsOff)
{
    TestGuest guest;
    const co_passage& page = guest.page();
    co_vcpu_entry entry = guest.entry();
    const co_u64* frame = first_frame(page);
    EXPECT_EQ(frame[2], entry.rip);
    EXPECT_EQ(frame[3], entry.rsp);
    EXPECT_EQ(frame[4], entry.rsi);
    EXPECT_EQ(frame[5], entry.rdi);
    EXPECT_EQ(frame[6], 2u) << "RFLAGS";
    EXPECT_EQ(frame[7], CO_PASSAGE_VIRT + world_switch_offsets.first_entry);
    EXPECT_EQ(page.guest.cr3, entry.cr3);
    EXPECT_EQ(page.guest.idtr.base, entry.idt_base);
    EXPECT_EQ(page.guest.idtr.limit, entry.idt_limit);
    EXPECT_EQ(page.guest.gdtr.base, page.guest.passage_gdtr.base);
    EXPECT_EQ(page.guest.ss, 0x18u);
    EXPECT_EQ(page.guest.tr, 0u);
}

TEST_F(PassageTest, FirstCr4IsAsDeepAsTheHostsAndWithoutItsFeatures)
{
    fake_cpu(0).cr4 |= cpu::kCr4La57 | cpu::kCr4Mce | cpu::kCr4FsGsBase | 1u << 23;
    TestGuest guest;
    EXPECT_EQ(guest.page().guest.cr4, cpu::kCr4Pae | cpu::kCr4Pge | cpu::kCr4La57 | cpu::kCr4Mce);
}

TEST_F(PassageTest, FirstCr0IsTheHostsWithoutFpuTraps)
{
    fake_cpu(0).cr0 |= cpu::kCr0Ts | cpu::kCr0Em;
    TestGuest guest;
    EXPECT_EQ(guest.page().guest.cr0, fake_cpu(0).cr0 & ~(cpu::kCr0Ts | cpu::kCr0Em));
}

TEST_F(PassageTest, FsgsbaseIsOnInThePassageWhereTheCpuHasIt)
{
    TestGuest with;
    EXPECT_EQ(with.page().passage_cr4_set, cpu::kCr4FsGsBase);
    fake_cpu(0).make_plain();
    TestGuest without;
    EXPECT_EQ(without.page().passage_cr4_set, 0u);
}

} // namespace

} // namespace colinux
