/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a payload guest is: a C function in ring 0, alone with the passage. No kernel, no interrupts of its own, no
 * heap: each payload attacks one property of the switch. run_payload loads it and reports its result.
 *
 * Guest-virtual window at CO_GRAFT_VIRT: page 9 struct payload_result, from page 16 on the payload image, from page 496 on
 * stacks (one page per vCPU, from the top of it). Beside it the passage window, at CO_PASSAGE_VIRT.
 */
#ifndef COLINUX_PAYLOAD_H
#define COLINUX_PAYLOAD_H

#include <colinux/boot_info.h>
#include <colinux/passage.h>

#define PAYLOAD_RESULT_PAGE 9
#define PAYLOAD_IMAGE_PAGE 16
#define PAYLOAD_STACK_PAGE 496
#define PAYLOAD_MAX_VCPUS 8

struct payload_result {
	co_u64 count;    /* the runner passes it in, e.g. iterations */
	co_u64 seed;     /* likewise, for payloads that are random */
	co_u64 done;     /* how many were */
	co_u64 failures; /* each payload says what it counts */
	co_u64 value[16];
	char text[256];
};

#ifndef __cplusplus
#define RESULT ((struct payload_result *)(CO_GRAFT_VIRT + PAYLOAD_RESULT_PAGE * CO_PAGE_SIZE))

static inline co_u64 call(struct co_passage *passage, co_u32 number, co_u64 arg0, co_u64 arg1)
{
	co_passage_switch_fn leave = (co_passage_switch_fn)CO_PASSAGE_VIRT;

	passage->mailbox.call = number;
	passage->mailbox.flags = 0;
	passage->mailbox.arg[0] = arg0;
	passage->mailbox.arg[1] = arg1;
	leave(passage, &passage->guest, &passage->host);
	return passage->mailbox.result[0];
}

/* Which vCPU this is: its stack says it. */
static inline co_u64 my_index(void)
{
	return ((co_u64)__builtin_frame_address(0) - CO_GRAFT_VIRT) / CO_PAGE_SIZE - PAYLOAD_STACK_PAGE;
}

/* Each payload defines this. It ends with power_off(), or in whatever it is about. */
void payload(struct co_passage *passage);

static inline void power_off(struct co_passage *passage)
{
	call(passage, CO_CALL_POWER_OFF, 0, 0);
	for (;;)
		;
}
#endif
#endif
