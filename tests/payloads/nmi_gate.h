/* SPDX-License-Identifier: GPL-2.0 */
/* An IDT whose NMI gate leads to the host, as the graft's does; for payloads that stay while NMIs come. */
#ifndef COLINUX_PAYLOAD_NMI_GATE_H
#define COLINUX_PAYLOAD_NMI_GATE_H

#include "payload.h"

struct gate {
	co_u16 low, selector, type, middle;
	co_u32 high, reserved;
} __attribute__((packed));

static struct gate idt[20];
static struct co_passage *nmi_passage;
static co_u64 nmis;

__attribute__((used)) static void nmi(void)
{
	struct co_mailbox saved = nmi_passage->mailbox; /* it may have interrupted a half-made call */

	nmis++;
	call(nmi_passage, CO_CALL_NMI, 0, 0);
	nmi_passage->mailbox = saved;
}

void nmi_entry(void);
asm(".globl nmi_entry\nnmi_entry:\n"
    "push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11\n"
    "cld; call nmi\n"
    "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
    "iretq\n");

static inline void take_nmis(struct co_passage *passage)
{
	co_u64 handler = (co_u64)nmi_entry;
	struct __attribute__((packed)) {
		co_u16 limit;
		co_u64 base;
	} pointer = { sizeof(idt) - 1, (co_u64)idt };

	nmi_passage = passage;
	idt[2] = (struct gate){ handler, 0x10, 0x8e00, handler >> 16, handler >> 32, 0 };
	asm volatile("lidt %0" : : "m"(pointer));
	call(passage, CO_CALL_NMI_READY, 1, 0);
}

#endif
