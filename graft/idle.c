// SPDX-License-Identifier: GPL-2.0
/*
 * The idle loop's last step: give the CPU back until something is pending. Called with interrupts off, after the
 * scheduler has looked; so nothing is lost between that look and the sleep (the host looks at `pending` again).
 */
#include <asm/irqflags.h>

#include "graft.h"

void co_idle(void)
{
	struct co_passage *passage = co_this_passage();
	bool pending;

	if (!READ_ONCE(passage->pending))
		co_call_interrupts_off(CO_CALL_IDLE, CO_MAILBOX_CHECKS_PENDING | CO_MAILBOX_INTERRUPTS_ON, 0);
	pending = READ_ONCE(passage->pending);
	native_irq_enable();
	if (pending)
		co_deliver();
	if (CO_IDLE_RETURNS_WITH_INTERRUPTS_OFF)
		native_irq_disable();
}
