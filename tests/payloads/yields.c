// SPDX-License-Identifier: GPL-2.0
/* Crosses `count` times, every fourth time giving the CPU away; checks that callee-saved registers and flags came
 * back (the compiler keeps the loop's state there) and that the clock does not run backwards. */
#include "payload.h"

void payload(struct co_passage *passage)
{
	struct payload_result *result = RESULT;
	co_u64 last = 0;

	for (co_u64 i = 0; i < result->count; i++) {
		if (i % 4 == 0) {
			call(passage, CO_CALL_YIELD, 0, 0);
		} else {
			co_u64 now = call(passage, CO_CALL_CLOCK, 0, 0);

			if (now < last)
				result->failures++;
			last = now;
		}
		result->done = i + 1;
	}
	power_off(passage);
}
