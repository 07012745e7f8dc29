// SPDX-License-Identifier: GPL-2.0
// Offsets of struct co_passage for world_switch.S. Compiled to assembly only; the build turns each
// "->NAME value" line into a #define in passage_offsets.h. Never typed by hand.
#include <colinux/passage.h>

#include <stddef.h>

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void offsets()
{
    DEFINE(CO_SAW_NMI, CO_SAW_NMI);
    DEFINE(CO_SAW_MCE, CO_SAW_MCE);
    DEFINE(CO_SAW_BAD_STATE, CO_SAW_BAD_STATE);
    DEFINE(PASSAGE_CR4_SET, offsetof(co_passage, passage_cr4_set));
    DEFINE(PASSAGE_SAW, offsetof(co_passage, saw));
    DEFINE(PASSAGE_IDTR, offsetof(co_passage, passage_idtr));
    DEFINE(PASSAGE_HOST, offsetof(co_passage, host));
    DEFINE(PASSAGE_GUEST, offsetof(co_passage, guest));
    DEFINE(PASSAGE_STACK_TOP, (offsetof(co_passage, stack) + sizeof(co_passage::stack)) & ~size_t{15});
    DEFINE(USER_LOAD, offsetof(co_passage, user.load));
    DEFINE(USER_FS_BASE, offsetof(co_passage, user.fs_base));
    DEFINE(USER_KERNEL_GS_BASE, offsetof(co_passage, user.kernel_gs_base));
    DEFINE(USER_DS, offsetof(co_passage, user.ds));
    DEFINE(USER_ES, offsetof(co_passage, user.es));
    DEFINE(USER_FS, offsetof(co_passage, user.fs));
    DEFINE(USER_GS, offsetof(co_passage, user.gs));
    DEFINE(USER_LDTR, offsetof(co_passage, user.ldtr));
    DEFINE(WORLD_RSP, offsetof(co_world, rsp));
    DEFINE(WORLD_CR0, offsetof(co_world, cr0));
    DEFINE(WORLD_CR3, offsetof(co_world, cr3));
    DEFINE(WORLD_CR4, offsetof(co_world, cr4));
    DEFINE(WORLD_GS_BASE, offsetof(co_world, gs_base));
    DEFINE(WORLD_GDTR, offsetof(co_world, gdtr));
    DEFINE(WORLD_IDTR, offsetof(co_world, idtr));
    DEFINE(WORLD_TSS_GDT, offsetof(co_world, tss_gdt));
    DEFINE(WORLD_DR7, offsetof(co_world, dr7));
    DEFINE(WORLD_SS, offsetof(co_world, ss));
    DEFINE(WORLD_TR, offsetof(co_world, tr));
    DEFINE(WORLD_PASSAGE_GDTR, offsetof(co_world, passage_gdtr));
    DEFINE(WORLD_PASSAGE_GDT, offsetof(co_world, passage_gdt));
}
