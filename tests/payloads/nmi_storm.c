// SPDX-License-Identifier: GPL-2.0
/* Crosses `count` times while NMIs arrive anywhere (nmi_sender): in the guest, in the passage, in the host.
 * value[0] = those that the guest's own entry took. */
#include "gates.h"

void payload(struct co_passage *passage)
{
	co_u64 last = 0;

	take_nmis(passage);
	for (co_u64 i = 0; i < RESULT->count; i++) {
		co_u64 now = call(passage, CO_CALL_CLOCK, 0, 0);

		RESULT->failures += now < last; /* an NMI handler that spoils the mailbox */
		last = now;
		RESULT->done = i + 1;
		RESULT->value[0] = nmis[0];
	}
	power_off(passage);
}
