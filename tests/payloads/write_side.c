// SPDX-License-Identifier: GPL-2.0
/* vCPU 0 is taken off its CPU in the write side of a sequence count, with its interrupts off, `count` times; only then do the
 * others spin, with theirs off, until it is through: as Linux does around its clock. */
#include "gates.h"

#define READERS 3

static volatile co_u64 sequence;
static volatile co_u64 nmis_when_taken_off = ~0ull;

__attribute__((used)) static void read_sides(void)
{
	struct co_passage *passage = my_passage();

	take_nmis(passage);
	for (;;) {
		co_u64 seen = sequence;

		if ((seen & 1) && nmis[0] >= nmis_when_taken_off)
			while (sequence == seen)
				asm volatile("pause");
		call(passage, CO_CALL_YIELD, 0, 0);
	}
}

void reader(void);
asm(".globl reader\nreader: call read_sides\n");

void payload(struct co_passage *passage)
{
	co_u64 cr3;

	take_nmis(passage);
	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	for (co_u64 i = 1; i <= READERS; i++) {
		passage->mailbox.arg[2] = CO_GRAFT_VIRT + (PAYLOAD_STACK_PAGE + i + 1) * CO_PAGE_SIZE;
		passage->mailbox.arg[3] = cr3;
		if (call(passage, CO_CALL_CPU_START, i, (co_u64)reader))
			RESULT->failures++;
	}
	while (RESULT->done < RESULT->count) {
		nmis_when_taken_off = nmis[0] + 1;
		sequence++;
		while (nmis[0] < nmis_when_taken_off)
			asm volatile("pause");
		sequence++;
		RESULT->done++;
		call(passage, CO_CALL_YIELD, 0, 0);
	}
	power_off(passage);
}
