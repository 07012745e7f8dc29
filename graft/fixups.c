// SPDX-License-Identifier: GPL-2.0
/*
 * What the loader changes in the kernel image before the first instruction: the hooks that are needed before
 * x86_init.oem.arch_setup can set any other. Mostly data words; the few jumps are where the kernel has no table.
 * In the order in which the boot meets them.
 */
#include <linux/pgtable.h>
#include <asm/desc_defs.h>
#include <asm/paravirt.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include <colinux/graft_object.h>

#include "graft.h"

#define FIXUP static const struct co_graft_fixup __used __section(".colinux.fixups")
#define ENTRY_OF(address) (((address) >> PMD_SHIFT) % PTRS_PER_PMD)

extern const char secondary_startup_64[], early_idt_handler_array_bytes[] asm("early_idt_handler_array");
extern gate_desc bringup_idt_table[];
extern const char native_cpuid_code[] asm("native_cpuid"), native_io_delay_code[] asm("native_io_delay");
extern const char native_write_msr_code[] asm("native_write_msr");
extern const char native_write_msr_safe_code[] asm("native_write_msr_safe");
extern const char native_write_cr0_code[] asm("native_write_cr0"), native_write_cr4_code[] asm("native_write_cr4");
extern const char native_flush_tlb_global_code[] asm("native_flush_tlb_global");
extern const char exc_nmi_code[] asm("exc_nmi");
extern const char stop_nmi_code[] asm("stop_nmi"), restart_nmi_code[] asm("restart_nmi");
extern const char do_machine_check_code[] asm("do_machine_check") __weak;
extern const char reserve_ibft_region_code[] asm("reserve_ibft_region") __weak;
extern const char queued_read_lock_slowpath_code[] asm("queued_read_lock_slowpath");
extern const char queued_write_lock_slowpath_code[] asm("queued_write_lock_slowpath");

void co_arch_setup(void);
void co_halt(void);
void co_early_debug(void);
void co_early_breakpoint(void);
void co_early_nmi(void);
void co_early_mce(void);
void co_early_fault(void);
extern gate_desc co_early_idt[]; /* entry.S */
void co_stop_nmi(void);
void co_restart_nmi(void);
void co_exc_nmi(void);
void co_do_machine_check(void);
void co_nothing(void);
void co_write_cr0(unsigned long value);
void co_write_cr4(unsigned long value);
void co_flush_tlb_global(void);
void co_queued_read_lock(void);
void co_queued_write_lock(void);

/* head_64.S builds CR4 from scratch; the driver gave us the right one (DESIGN 4.7) */
FIXUP keep_cr4[CO_STARTUP_CR4_WRITES] = {
	[0 ... CO_STARTUP_CR4_WRITES - 1] = { CO_FIXUP_KEEP_CR4, 0, (co_u64)secondary_startup_64, 0x200, 0 },
};

/* NMI, machine check and a debugger's exceptions until the kernel's own gates stand: the IDT of head_64.S, then the early one */
FIXUP early_gates[] = {
	{ CO_FIXUP_GATE, 0, (co_u64)&bringup_idt_table[X86_TRAP_DB], (co_u64)co_early_debug, 0 },
	{ CO_FIXUP_GATE, 0, (co_u64)&bringup_idt_table[X86_TRAP_BP], (co_u64)co_early_breakpoint, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)(early_idt_handler_array_bytes + X86_TRAP_DB * EARLY_IDT_HANDLER_SIZE),
	  (co_u64)co_early_debug, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)(early_idt_handler_array_bytes + X86_TRAP_BP * EARLY_IDT_HANDLER_SIZE),
	  (co_u64)co_early_breakpoint, 0 },
	{ CO_FIXUP_GATE, 0, (co_u64)&bringup_idt_table[X86_TRAP_NMI], (co_u64)co_early_nmi, 0 },
	{ CO_FIXUP_GATE, 0, (co_u64)&bringup_idt_table[X86_TRAP_MC], (co_u64)co_early_mce, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)(early_idt_handler_array_bytes + X86_TRAP_NMI * EARLY_IDT_HANDLER_SIZE),
	  (co_u64)co_early_nmi, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)(early_idt_handler_array_bytes + X86_TRAP_MC * EARLY_IDT_HANDLER_SIZE),
	  (co_u64)co_early_mce, 0 },
};

/* Every other exception until then ends the guest; without a gate it would be a triple fault, the end of the machine. None is
 * part of a good boot. The loader writes the four others into the first IDT. */
#define FAULT_GATE(vector) \
	{ CO_FIXUP_GATE, 0, (co_u64)&co_early_idt[vector], (co_u64)co_early_fault, 0 }, \
	{ CO_FIXUP_GATE, 0, (co_u64)&bringup_idt_table[vector], (co_u64)co_early_fault, 0 }

FIXUP early_fault_gates[] = {
	FAULT_GATE(X86_TRAP_DE), FAULT_GATE(X86_TRAP_OF),
	FAULT_GATE(X86_TRAP_BR), FAULT_GATE(X86_TRAP_UD), FAULT_GATE(X86_TRAP_NM), FAULT_GATE(X86_TRAP_DF),
	FAULT_GATE(X86_TRAP_TS), FAULT_GATE(X86_TRAP_NP), FAULT_GATE(X86_TRAP_SS), FAULT_GATE(X86_TRAP_GP),
	FAULT_GATE(X86_TRAP_PF), FAULT_GATE(X86_TRAP_MF), FAULT_GATE(X86_TRAP_AC), FAULT_GATE(X86_TRAP_XF),
};

/* The windows, in every page table from startup_64 on */
FIXUP windows[] = {
	{ CO_FIXUP_PTE, 0, (co_u64)&level2_fixmap_pgt[ENTRY_OF(CO_GRAFT_VIRT)], CO_PTE_GRAFT, 0 },
	{ CO_FIXUP_PTE, 0, (co_u64)&level2_fixmap_pgt[ENTRY_OF(CO_PASSAGE_VIRT)], CO_PTE_PASSAGE, 0 },
};

FIXUP operations[] = {
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.cpuid, (co_u64)co_cpuid, (co_u64)native_cpuid_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.write_msr, (co_u64)co_write_msr,
	  (co_u64)native_write_msr_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.write_msr_safe, (co_u64)co_write_msr_safe,
	  (co_u64)native_write_msr_safe_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.write_cr0, (co_u64)co_write_cr0,
	  (co_u64)native_write_cr0_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.write_cr4, (co_u64)co_write_cr4,
	  (co_u64)native_write_cr4_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.mmu.flush_tlb_kernel, (co_u64)co_flush_tlb_global,
	  (co_u64)native_flush_tlb_global_code },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&pv_ops.cpu.io_delay, (co_u64)co_nothing,
	  (co_u64)native_io_delay_code },
	{ CO_FIXUP_WRITE64, 0, (co_u64)&pv_ops.irq.halt, (co_u64)co_halt, 0 },
	{ CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)&x86_init.oem.arch_setup, (co_u64)co_arch_setup,
	  (co_u64)x86_init_noop },
};

/* It would search the host's first megabyte */
FIXUP ibft[] = { { CO_FIXUP_JUMP, CO_FIXUP_OPTIONAL, (co_u64)reserve_ibft_region_code, (co_u64)co_nothing, 0 } };

/* Every NMI and machine check is the host's; the kernel's entry code (nesting, PTI, IST) stays in force */
FIXUP exceptions[] = {
	{ CO_FIXUP_JUMP, 0, (co_u64)exc_nmi_code, (co_u64)co_exc_nmi, 0 },
	{ CO_FIXUP_JUMP, CO_FIXUP_OPTIONAL, (co_u64)do_machine_check_code, (co_u64)co_do_machine_check, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)stop_nmi_code, (co_u64)co_stop_nmi, 0 },
	{ CO_FIXUP_JUMP, 0, (co_u64)restart_nmi_code, (co_u64)co_restart_nmi, 0 },
};

#ifdef CONFIG_QUEUED_RWLOCKS
FIXUP rwlocks[] = {
	{ CO_FIXUP_JUMP, CO_FIXUP_MULTI_CPU, (co_u64)queued_read_lock_slowpath_code, (co_u64)co_queued_read_lock, 0 },
	{ CO_FIXUP_JUMP, CO_FIXUP_MULTI_CPU, (co_u64)queued_write_lock_slowpath_code, (co_u64)co_queued_write_lock, 0 },
};
#endif

void co_nothing(void)
{
}
