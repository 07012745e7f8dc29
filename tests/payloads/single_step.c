// SPDX-License-Identifier: GPL-2.0
/* Crosses `count` times with RFLAGS.TF set, as a kernel's own debugger would: the guest has a #DB after each of its
 * instructions, the host none. `failures`: TF was lost, or no #DB came. */
#include "payload.h"

#define TF 0x100
#define VECTOR_DEBUG 1

co_u64 cross_stepping(struct co_passage *passage, struct co_world *from, struct co_world *to); /* RFLAGS behind it */
void debug_entry(void);

co_u64 steps;
static co_u64 idt[2 * 20];

void payload(struct co_passage *passage)
{
	struct {
		co_u16 unused[3], limit;
		co_u64 base;
	} pointer = { { 0 }, sizeof(idt) - 1, (co_u64)idt };
	co_u64 handler = (co_u64)debug_entry;

	idt[2 * VECTOR_DEBUG] = (handler & 0xffff) | 0x10ull << 16 | 0x8eull << 40 | (handler >> 16 & 0xffff) << 48;
	idt[2 * VECTOR_DEBUG + 1] = handler >> 32;
	asm volatile("lidt %0" : : "m"(pointer.limit), "m"(pointer));
	for (co_u64 i = 0; i < RESULT->count; i++) {
		steps = 0;
		passage->mailbox.call = CO_CALL_CLOCK;
		passage->mailbox.flags = 0;
		if (!(cross_stepping(passage, &passage->guest, &passage->host) & TF) || steps == 0)
			RESULT->failures++;
		RESULT->done = i + 1;
	}
	power_off(passage);
}
