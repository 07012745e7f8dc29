/* SPDX-License-Identifier: GPL-2.0 */
/* An IDT for payloads that stay in the guest while something comes: NMIs and interrupts go to the host, as the graft
 * sends them; breakpoints are counted. */
#ifndef COLINUX_PAYLOAD_GATES_H
#define COLINUX_PAYLOAD_GATES_H

#include "payload.h"

#define GATE_DEBUG 1
#define GATE_NMI 2
#define GATE_FIRST_INTERRUPT 32
#define GATES 256
#define INTERRUPT_STUB_BYTES 16

struct gate {
	co_u16 low, selector, type, middle;
	co_u32 high, reserved;
} __attribute__((packed));

static struct gate idt[GATES];
static struct co_passage *gate_passage; /* vCPU 0's */
static volatile co_u64 nmis[PAYLOAD_MAX_VCPUS], interrupts, breakpoints; /* how many came; counted behind the compiler's back */
static volatile co_u64 breakpoint_status;             /* DR6 of all of them */

/* All registers but the callee-saved ones; then *handler*(vector) */
#define GATE_ENTRY(name, handler)                                                                                   \
	asm(".globl " #name "\n" #name ":\n"                                                                        \
	    "pushq %rdi; pushq %rsi; pushq %rax; pushq %rcx; pushq %rdx; pushq %r8; pushq %r9; pushq %r10; pushq %r11\n" \
	    "movq 72(%rsp), %rdi; cld; call " #handler "\n"                                                         \
	    "popq %r11; popq %r10; popq %r9; popq %r8; popq %rdx; popq %rcx; popq %rax; popq %rsi; popq %rdi\n"     \
	    "leaq 8(%rsp), %rsp; iretq\n")

/* The calling vCPU's. A guest's lie in the order of its vCPUs, a page each. */
static inline struct co_passage *my_passage(void)
{
	return (struct co_passage *)((co_u64)gate_passage + my_index() * CO_PAGE_SIZE);
}

/* The interrupted code may be amid a call of its own */
static inline void call_from_gate(co_u32 number, co_u64 argument)
{
	struct co_passage *passage = my_passage();
	struct co_mailbox interrupted = passage->mailbox;

	call(passage, number, argument, 0);
	passage->mailbox = interrupted;
}

__attribute__((used)) static void take_nmi(void)
{
	nmis[my_index()]++;
	call_from_gate(CO_CALL_NMI, 0);
}

__attribute__((used)) static void take_interrupt(co_u64 vector)
{
	interrupts++;
	my_passage()->pending = 0; /* or the host sends one after the other */
	call_from_gate(CO_CALL_INTERRUPT, vector);
}

__attribute__((used)) static void take_breakpoint(void)
{
	co_u64 status;

	asm volatile("mov %%db6, %0" : "=r"(status));
	breakpoint_status |= status;
	breakpoints++;
}

GATE_ENTRY(nmi_common, take_nmi);
GATE_ENTRY(interrupt_common, take_interrupt);
GATE_ENTRY(debug_common, take_breakpoint);
asm("nmi_entry: pushq $2; jmp nmi_common\n"
    "debug_entry: pushq $1; jmp debug_common\n"
    ".balign 16\n"
    "interrupt_entries:\n"
    ".set vector, 32\n"
    ".rept 224\n\t.balign 16\n\tpushq $vector\n\tjmp interrupt_common\n\t.set vector, vector + 1\n.endr\n");
extern char nmi_entry[], debug_entry[], interrupt_entries[];

static inline void set_gate(unsigned int vector, const char *entry)
{
	co_u64 at = (co_u64)entry;

	idt[vector] = (struct gate){ at, 0x10, 0x8e00, at >> 16, at >> 32, 0 };
}

static inline void load_idt(co_u16 limit)
{
	struct __attribute__((packed)) {
		co_u16 limit;
		co_u64 base;
	} pointer = { limit, (co_u64)idt };

	asm volatile("lidt %0" : : "m"(pointer));
}

/* vCPU 0 first */
static inline void take_nmis(struct co_passage *passage)
{
	gate_passage = gate_passage ?: passage;
	set_gate(GATE_NMI, nmi_entry);
	load_idt(sizeof(idt) - 1);
	call(passage, CO_CALL_NMI_READY, 1, 0);
}

/* From here on the payload may turn interrupts on, and arm breakpoints. */
static inline void take_everything(struct co_passage *passage)
{
	for (unsigned int vector = GATE_FIRST_INTERRUPT; vector < GATES; vector++)
		set_gate(vector, interrupt_entries + (vector - GATE_FIRST_INTERRUPT) * INTERRUPT_STUB_BYTES);
	set_gate(GATE_DEBUG, debug_entry);
	take_nmis(passage);
}

#endif
