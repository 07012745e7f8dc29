// SPDX-License-Identifier: GPL-2.0
/*
 * What a debugger on the host sees of this kernel (`colinux run --gdb`, docs/debugging.md): the first notifier of the kernel's own
 * #BP and #DB handlers, as kgdb has one. The kernel's entry code and its "as if in an NMI" bookkeeping stay in force; the daemon looks
 * at the registers through `regs`, may change them, and answers when the CPU is to go on. Exceptions of programs are the kernel's own,
 * unless the debugger made them step.
 */
#include <linux/kdebug.h>
#include <asm/debugreg.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include "graft.h"

static int exception(struct notifier_block *block, unsigned long event, void *data)
{
	struct die_args *args = data;
	bool taken = false;

	if (event == DIE_INT3 && !user_mode(args->regs))
		taken = co_call_debugger(X86_TRAP_BP, args->regs, 0);
	else if (event == DIE_DEBUG && *(unsigned long *)args->err & DR_STEP)
		taken = co_call_debugger(X86_TRAP_DB, args->regs, *(unsigned long *)args->err);
	return taken ? NOTIFY_STOP : NOTIFY_DONE;
}

static struct notifier_block exceptions = {
	.notifier_call = exception,
	.priority = INT_MAX,
};

void co_debugger_init(void)
{
	register_die_notifier(&exceptions);
}
