// SPDX-License-Identifier: GPL-2.0
/*
 * NMI and machine check while the guest runs: both belong to the host. The kernel's own entry code runs first
 * (it solves nesting, PTI and IST), then control comes here in place of exc_nmi() and do_machine_check(). The
 * guest never looks at the cause; so none is eaten, also not on a CPU that is not online yet.
 */
#include <asm/ptrace.h>

#include "graft.h"

void co_exc_nmi(struct pt_regs *regs);
void co_do_machine_check(struct pt_regs *regs);

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
