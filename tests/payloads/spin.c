// SPDX-License-Identifier: GPL-2.0
/* Spins with interrupts off forever, without an NMI handler: only for hosts that can wait. With `count` = 1 it
 * lets NMIs through: its IDT's NMI gate leads to the host, so the host can take the CPU back and end it. */
#include "payload.h"

struct gate {
	co_u16 low, selector, type, middle;
	co_u32 high, reserved;
} __attribute__((packed));

static struct gate idt[20];
static struct co_passage *my_passage;

__attribute__((used)) static void nmi(void)
{
	struct co_mailbox saved = my_passage->mailbox;

	RESULT->value[0]++;
	call(my_passage, CO_CALL_NMI, 0, 0);
	my_passage->mailbox = saved;
}

void nmi_entry(void);
asm(".globl nmi_entry\nnmi_entry:\n"
    "push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11\n"
    "cld; call nmi\n"
    "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
    "iretq\n");

void payload(struct co_passage *passage)
{
	co_u64 handler = (co_u64)nmi_entry;
	struct __attribute__((packed)) {
		co_u16 limit;
		co_u64 base;
	} pointer = { sizeof(idt) - 1, (co_u64)idt };

	my_passage = passage;
	if (RESULT->count) {
		idt[2] = (struct gate){ handler, 0x10, 0x8e00, handler >> 16, handler >> 32, 0 };
		asm volatile("lidt %0" : : "m"(pointer));
		call(passage, CO_CALL_NMI_READY, 1, 0);
	}
	RESULT->done = 1;
	for (;;)
		asm volatile("pause");
}
