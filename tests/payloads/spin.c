// SPDX-License-Identifier: GPL-2.0
/* Spins with interrupts off forever; only an NMI gets the CPU back. */
#include "gates.h"

void payload(struct co_passage *passage)
{
	take_nmis(passage);
	RESULT->done = 1;
	for (;;)
		asm volatile("pause");
}
