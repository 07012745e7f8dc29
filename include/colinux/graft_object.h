/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The graft object: what the loader's linker and graft/ agree on.
 *
 * `graft.o` is one relocatable ELF64 object (ld -r). The loader lays its allocated sections out in
 * the window CO_GRAFT_VIRT..+CO_GRAFT_BYTES (text first, then read-only data, then data and bss,
 * each group starting on a page), resolves undefined symbols from the kernel's kallsyms (an absent
 * weak symbol is 0, an absent strong one an error that names it), relocates, applies the fixups
 * and writes the window's page table.
 *
 * Sections with a meaning: `.modinfo` (strings "vermagic=...", "colinux_graft=4"), `.colinux.fixups`
 * (struct co_graft_fixup[], relocated like any data, consumed by the loader, not kept in memory),
 * `.colinux.layout` (struct co_graft_layout[], no relocations, likewise consumed).
 * The first word of vermagic must be the kernel's release. Entries of zeros in both tables are skipped: compilers
 * align large objects and leave gaps.
 * Dropped: .altinstructions, .orc_*, __ex_table is kept as data, .return_sites, .retpoline_sites,
 * .call_sites, .ibt_endbr_seal, __mcount_loc, .discard.*, .comment, .note.*, .debug_*, BTF.
 *
 * Symbols with a meaning:
 *   co_boot_info      struct co_boot_info, data
 *   co_early_idt      20 gates (320 bytes), data: the loader fills gate 1 -> co_early_debug, 2 -> co_early_nmi,
 *                     3 -> co_early_breakpoint, 18 -> co_early_mce; it is the IDT of CO_SET_ENTRY. The other gates are the
 *                     graft's fixups
 *   co_entry          first instruction of vCPU 0: gets rdi = physical startup_64, rsi = physical boot_params
 *                     (identity-mapped by the loader's initial tables) and jumps there
 */
#ifndef COLINUX_GRAFT_OBJECT_H
#define COLINUX_GRAFT_OBJECT_H

#include <colinux/types.h>

#define CO_GRAFT_OBJECT_VERSION 4

/* co_graft_fixup.kind. `address` is a link-time virtual address of the kernel image. */
#define CO_FIXUP_WRITE64 1  /* store `value` (8 bytes) at address; expect must equal the old value if flags & 1 */
#define CO_FIXUP_GATE 2     /* build a 64-bit interrupt gate (CS 0x10, DPL 0, IST 0) to `value` at address */
#define CO_FIXUP_JUMP 3     /* put `jmp value` (5 bytes) at address, after an endbr64 and a fentry site
                             * (`call __fentry__` or its 5-byte NOP) if they stand there */
#define CO_FIXUP_KEEP_CR4 4 /* between address and address + value: the first `mov %rcx,%cr4` (0f 22 e1)
                             * becomes a NOP; absent = error */
#define CO_FIXUP_PTE 5      /* store a page directory entry at address: level2_fixmap_pgt[508] or [509]. value = CO_PTE_* */
#define CO_PTE_GRAFT 0      /* refers to the page table of the graft's window */
#define CO_PTE_PASSAGE 1    /* to that of the passage window, CO_SET_PASSAGE.table_phys */

#define CO_FIXUP_EXPECT 1   /* flags: `expect` must equal the 8 bytes at address before writing; a mismatch is an error by name */
#define CO_FIXUP_OPTIONAL 2 /* flags: skip when address is 0 (weak symbol absent) */
#define CO_FIXUP_MULTI_CPU 4 /* flags: needed only for several vCPUs: an absent address or a mismatch skips it, clears
                             * boot_info.multi_cpu_ok and is an error only if more than one vCPU is wanted */

#ifndef __ASSEMBLER__
struct co_graft_fixup {
	co_u32 kind;
	co_u32 flags;
	co_u64 address;
	co_u64 value;
	co_u64 expect;
};

/* What the graft's headers say about the kernel's data, verified against the image's BTF before boot. */
struct co_graft_layout {
	char struct_name[56]; /* "task_struct", or "enum cpuhp_state" for a constant; unions like structs */
	char member[64];      /* "" = the struct as a whole; may be a path "cpu.cpuid"; or the constant's name */
	co_u32 offset;        /* of the member in bytes, or the constant's value */
	co_u32 size;          /* of the struct or member in bytes; 0 for a member = not checked */
};
CO_STATIC_ASSERT(sizeof(struct co_graft_layout) == 128, "a multiple of what compilers align large objects to");
#endif
#endif
