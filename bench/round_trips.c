// SPDX-License-Identifier: GPL-2.0
/* A payload guest (tests/payloads) that measures the world switch: `count` round trips of one kind after the other, with
 * interrupts off. Results: value[n] = nanoseconds (TSC ticks) of all round trips of kind n. Between the markers of each kind
 * bench/counter.c counts instructions. */
#include "payload.h"

#include "marker.h"

static inline co_u64 read_tsc(void)
{
	co_u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (co_u64)high << 32 | low;
}

static void round_trips(struct co_passage *passage, unsigned int kind, co_u32 number, co_u64 arg0)
{
	co_u64 count = RESULT->count, start;

	for (co_u64 i = 0; i < count / 8; i++) /* warm-up */
		call(passage, number, arg0, 0);
	start = read_tsc();
	BENCH_MARKER_BEGIN();
	for (co_u64 i = 0; i < count; i++)
		call(passage, number, arg0, 0);
	BENCH_MARKER_END();
	RESULT->value[kind] = read_tsc() - start;
	RESULT->done += count;
}

void payload(struct co_passage *passage)
{
	round_trips(passage, 0, CO_CALL_KICK, 0);      /* of itself: nothing to do in the host, so the bare round trip */
	round_trips(passage, 1, CO_CALL_CLOCK, 0);     /* the host reads its wall clock */
	round_trips(passage, 2, CO_CALL_DOORBELL, 0);  /* bound to no eventfd */
	round_trips(passage, 3, CO_CALL_SET_TIMER, ~0ull >> 2); /* far away: a timer of the host is programmed */
	round_trips(passage, 4, CO_CALL_YIELD, 0);     /* the host's scheduler is asked */
	power_off(passage);
}
