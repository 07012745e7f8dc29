// SPDX-License-Identifier: GPL-2.0
/* A guest that misuses its passage page: garbage in flags, arguments and every word that the graft may write, with calls
 * that return; then, chosen by `count`, one that must end it. `failures` = 1: it did not. MADE_UP: hands over every
 * interrupt that there is, none of which came. */
#include "payload.h"

#define MADE_UP 9

static void garble(struct co_passage *passage, co_u64 garbage)
{
	passage->version = garbage;
	passage->vcpu = garbage >> 8;
	passage->pending = garbage;
	passage->msr_unsure = garbage;
	passage->nmi_ready = garbage;
	passage->mailbox.flags = garbage >> 16;
	for (int i = 0; i < 4; i++)
		passage->mailbox.arg[i] = garbage * (i + 1);
	passage->timer_deadline = garbage;
	passage->timer_armed = garbage >> 4;
	passage->timer_slack = garbage >> 32;
	passage->stolen_ns = garbage;
	/* the guest's half of the saved state is stored over when it leaves, or loaded only after the host has saved its own */
	passage->guest.rsp = passage->guest.cr0 = passage->guest.cr3 = passage->guest.cr4 = passage->guest.gs_base = garbage;
	passage->guest.gdtr.base = passage->guest.idtr.base = passage->guest.tss_gdt = garbage;
	passage->guest.tr = passage->guest.ss = garbage;
	passage->user.fs_base = passage->user.kernel_gs_base = garbage;
	passage->user.ds = passage->user.es = passage->user.fs = passage->user.gs = passage->user.ldtr = garbage;
	passage->user.load = garbage;
}

void payload(struct co_passage *passage)
{
	static const co_u32 harmless[] = { CO_CALL_CLOCK, CO_CALL_SET_TIMER, CO_CALL_DOORBELL, CO_CALL_YIELD, CO_CALL_IDLE,
					   CO_CALL_LOCK_WAIT, CO_CALL_CPU_START, CO_CALL_DEVICE };
	static const struct {
		co_u32 call;
		co_u64 argument;
	} last[] = { { CO_CALL_NONE, 0 },	  { CO_CALL_COUNT, 0 },	      { 0xffffffff, 0 },	 { CO_CALL_INTERRUPT, 31 },
		     { CO_CALL_INTERRUPT, 256 },  { CO_CALL_KICK, 1 },	      { CO_CALL_LOCK_KICK, ~0 }, { CO_CALL_PANIC, ~0 },
		     { CO_CALL_PROTOCOL, 4711 } };
	co_u64 garbage = 0x9e3779b97f4a7c15;

	if (RESULT->count == MADE_UP) {
		for (unsigned int vector = 32; vector < 256; vector++)
			call(passage, CO_CALL_INTERRUPT, vector, 0);
		power_off(passage);
	}
	for (unsigned int i = 0; i < 4000; i++) {
		garbage ^= garbage << 13;
		garbage ^= garbage >> 7;
		garbage ^= garbage << 17;
		garble(passage, garbage | 1 /* pending: idle and lock wait return */);
		passage->mailbox.call = harmless[i % 8];
		if (passage->mailbox.call == CO_CALL_LOCK_WAIT)
			passage->mailbox.flags |= CO_MAILBOX_INTERRUPTS_ON; /* without it only a kick ends the wait */
		if (passage->mailbox.call == CO_CALL_CPU_START)
			passage->mailbox.arg[0] |= 1; /* there is only vCPU 0 */
		((co_passage_switch_fn)CO_PASSAGE_VIRT)(passage, &passage->guest, &passage->host);
		RESULT->done = i + 1;
	}
	call(passage, last[RESULT->count].call, last[RESULT->count].argument, garbage);
	RESULT->failures = 1;
	power_off(passage);
}
