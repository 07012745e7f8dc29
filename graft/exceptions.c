// SPDX-License-Identifier: GPL-2.0
/*
 * NMI and machine check while the guest runs: both belong to the host. The kernel's own entry code runs first
 * (it solves nesting, PTI and IST), then control comes here in place of exc_nmi() and do_machine_check(). The
 * guest never looks at the cause; so none is eaten, also not on a CPU that is not online yet.
 */
#include <linux/string.h>
#include <asm/desc.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include "graft.h"

extern const char co_early_nmi[], co_early_mce[]; /* entry.S */
void co_exc_nmi(struct pt_regs *regs);
void co_do_machine_check(struct pt_regs *regs);
void co_stop_nmi(void);
void co_restart_nmi(void);

static gate_desc patching_idt[IDT_ENTRIES] __aligned(PAGE_SIZE);
static struct desc_ptr kernel_idt;

void co_exc_nmi(struct pt_regs *regs)
{
	/* Where any interrupt could have come the host may run others, too */
	u32 flags = regs->flags & X86_EFLAGS_IF ? CO_MAILBOX_INTERRUPTS_ON : 0;

	co_call_from_exception(co_this_passage(), CO_CALL_NMI, flags);
}

void co_do_machine_check(struct pt_regs *regs)
{
	co_call_from_exception(co_this_passage(), CO_CALL_MCE, 0);
}

static void set_early_gate(unsigned int vector, const char *handler)
{
	gate_desc *gate = &patching_idt[vector];

	gate->offset_low = (u64)handler;
	gate->offset_middle = (u64)handler >> 16;
	gate->offset_high = (u64)handler >> 32;
	gate->bits.ist = 0;
}

/*
 * In place of stop_nmi(), which the kernel calls before it patches all of its text, its NMI entry too, while only its boot CPU runs
 * and nothing in user mode. A PC seldom gets an NMI in those moments, and stop_nmi() only hides it from handlers; our host sends
 * them. The early gates do not run any code of the kernel's.
 */
void co_stop_nmi(void)
{
	struct desc_ptr patching = { .size = sizeof(patching_idt) - 1, .address = (unsigned long)patching_idt };

	store_idt(&kernel_idt);
	memcpy(patching_idt, (const void *)kernel_idt.address, min_t(size_t, kernel_idt.size + 1, sizeof(patching_idt)));
	set_early_gate(X86_TRAP_NMI, co_early_nmi);
	set_early_gate(X86_TRAP_MC, co_early_mce);
	native_load_idt(&patching);
}

/* In place of restart_nmi() */
void co_restart_nmi(void)
{
	native_load_idt(&kernel_idt);
}
