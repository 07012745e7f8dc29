// SPDX-License-Identifier: GPL-2.0
// Offsets of struct co_passage for world_switch.S. Compiled to assembly only; the build turns each
// "->NAME value" line into a #define in passage_offsets.h. Never typed by hand.
#include <colinux/passage.h>

#include <cstddef>

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void offsets()
{
    DEFINE(PASSAGE_TRANSIT_CR3, offsetof(co_passage, transit_cr3));
    DEFINE(PASSAGE_CR4_SET, offsetof(co_passage, passage_cr4_set));
    DEFINE(PASSAGE_SAW_NMI, offsetof(co_passage, saw_nmi));
    DEFINE(PASSAGE_SAW_MCE, offsetof(co_passage, saw_mce));
    DEFINE(PASSAGE_STACK_TOP, (offsetof(co_passage, stack) + sizeof(co_passage::stack)) & ~std::size_t{15});
    DEFINE(WORLD_RSP, offsetof(co_world, rsp));
    DEFINE(WORLD_CR0, offsetof(co_world, cr0));
    DEFINE(WORLD_CR2, offsetof(co_world, cr2));
    DEFINE(WORLD_CR3, offsetof(co_world, cr3));
    DEFINE(WORLD_CR4, offsetof(co_world, cr4));
    DEFINE(WORLD_FS_BASE, offsetof(co_world, fs_base));
    DEFINE(WORLD_GS_BASE, offsetof(co_world, gs_base));
    DEFINE(WORLD_KERNEL_GS_BASE, offsetof(co_world, kernel_gs_base));
    DEFINE(WORLD_GDTR, offsetof(co_world, gdtr));
    DEFINE(WORLD_IDTR, offsetof(co_world, idtr));
    DEFINE(WORLD_LDTR, offsetof(co_world, ldtr));
    DEFINE(WORLD_TR, offsetof(co_world, tr));
    DEFINE(WORLD_DS, offsetof(co_world, ds));
    DEFINE(WORLD_ES, offsetof(co_world, es));
    DEFINE(WORLD_FS, offsetof(co_world, fs));
    DEFINE(WORLD_GS, offsetof(co_world, gs));
    DEFINE(WORLD_SS, offsetof(co_world, ss));
    DEFINE(WORLD_PAGE, offsetof(co_world, page));
    DEFINE(WORLD_ARRIVAL, offsetof(co_world, arrival));
    DEFINE(WORLD_PASSAGE_GDTR, offsetof(co_world, passage_gdtr));
    DEFINE(WORLD_PASSAGE_IDTR, offsetof(co_world, passage_idtr));
    DEFINE(WORLD_PASSAGE_GDT, offsetof(co_world, passage_gdt));
}
