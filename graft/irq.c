// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts. Every hardware interrupt that arrives while the guest runs is the host's: the CPU enters the guest
 * through the kernel's own gates and stubs, common_interrupt() looks its vector up in vector_irq[] and finds one
 * of our descriptors, whose handler switches to the host; the host takes exactly that vector. So entry, exit,
 * stacks, PTI and context tracking stay the kernel's business. Afterwards, and when a call or the idle
 * loop finds something pending, the guest's own virtual interrupts are handled: bits of co_passage.pending.
 *
 *   gate 0x20..0xff --> kernel's stub --> common_interrupt --> vector_irq[n] --> forward_to_host() --+
 *   `int 31`        --> stub of 0x80  --> common_interrupt --> vector_irq[0x80] --> deliver() -------+--> handle_pending()
 */
#include <linux/init.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/smp.h>
#include <linux/irq_work.h>
#include <asm/desc.h>
#include <asm/hw_irq.h>
#include <asm/idtentry.h>
#include <asm/irq_vectors.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>
#include <asm/x86_init.h>

#include "graft.h"

#define FIRST_LINE_INTERRUPT 16
#define PUSH_BYTES 2 /* each stub of the kernel: endbr64 if it has IBT, push $vector, jmp */
#define STUB_JUMP_OFFSET (IDT_ALIGN / 2 == 8 ? 4 + PUSH_BYTES : PUSH_BYTES)

extern gate_desc idt_table[];
extern const char asm_spurious_interrupt_code[] asm("asm_spurious_interrupt");
extern const char asm_common_interrupt_code[] asm("asm_common_interrupt");
void native_init_IRQ(void);
void co_early_mce(void);
void co_nmi(void);
void generic_smp_call_function_single_interrupt(void);

static struct irq_desc vectors[NR_VECTORS]; /* no interrupts of Linux's: only .handle_irq is used */
static int first_interrupt;

static void handle_line(unsigned int line)
{
	if (line == CO_IRQ_LINE_CONSOLE)
		co_console_line();
	generic_handle_irq(first_interrupt + line);
}

static void handle_bit(unsigned int bit)
{
	switch (bit) {
	case CO_PENDING_TIMER:
		this_cpu_inc(irq_stat.apic_timer_irqs);
		co_timer_event();
		break;
	case CO_PENDING_RESCHEDULE:
		this_cpu_inc(irq_stat.irq_resched_count);
		scheduler_ipi();
		break;
	case CO_PENDING_CALL_FUNCTION:
	case CO_PENDING_CALL_FUNCTION_SINGLE:
		this_cpu_inc(irq_stat.irq_call_count);
		generic_smp_call_function_single_interrupt();
		break;
	case CO_PENDING_IRQ_WORK:
		irq_work_run();
		break;
	case CO_PENDING_STOP:
		co_orderly_stop();
		break;
	case CO_PENDING_CLOCK:
		co_clock_stepped();
		break;
	default:
		if (bit >= CO_PENDING_LINE0 && bit < CO_PENDING_LINE0 + CO_IRQ_LINES)
			handle_line(bit - CO_PENDING_LINE0);
	}
}

static void handle_pending(void)
{
	struct co_passage *passage = co_this_passage();
	unsigned long bits;
	unsigned int bit;

	while ((bits = xchg(&passage->pending, 0)) != 0) {
		for_each_set_bit(bit, &bits, BITS_PER_LONG)
			handle_bit(bit);
	}
}

static void forward_to_host(struct irq_desc *desc)
{
	co_call_interrupts_off(CO_CALL_INTERRUPT, CO_MAILBOX_CHECKS_PENDING | CO_MAILBOX_INTERRUPTS_ON, desc - vectors);
	handle_pending();
}

static void deliver(struct irq_desc *desc)
{
	handle_pending();
}

void co_fill_vectors(unsigned int cpu)
{
	unsigned int vector;

	for (vector = FIRST_EXTERNAL_VECTOR; vector < NR_VECTORS; vector++)
		per_cpu(vector_irq, cpu)[vector] = &vectors[vector];
}

void co_raise(unsigned int cpu, unsigned int bit)
{
	if (!test_and_set_bit(bit, (unsigned long *)&co_passage_of(cpu)->pending))
		co_call(CO_CALL_KICK, cpu, 0, 0, 0);
}

int co_irq_of_line(unsigned int line)
{
	return first_interrupt + line;
}

static void no_chip_action(struct irq_data *data)
{
}

static struct irq_chip line_chip = {
	.name = "colinux",
	.irq_ack = no_chip_action,
	.irq_mask = no_chip_action,
	.irq_unmask = no_chip_action,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static void create_lines(void)
{
	unsigned int line;

	first_interrupt = __irq_alloc_descs(FIRST_LINE_INTERRUPT, FIRST_LINE_INTERRUPT, CO_IRQ_LINES, 0, NULL, NULL);
	if (first_interrupt < 0)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_SYMBOL, 0);
	for (line = 0; line < CO_IRQ_LINES; line++)
		irq_set_chip_and_handler_name(first_interrupt + line, &line_chip, handle_edge_irq, "line");
}

static void set_gate(unsigned int vector, const void *entry, unsigned int stack)
{
	gate_desc gate;

	pack_gate(&gate, GATE_INTERRUPT, (unsigned long)entry, 0, stack, __KERNEL_CS);
	idt_table[vector] = gate;
}

static const char *system_stub(unsigned int vector)
{
	return spurious_entries_start + IDT_ALIGN * (vector - FIRST_SYSTEM_VECTOR);
}

/* The kernel's gates for its system vectors would acknowledge a local APIC; they get plain stubs. The table is
 * read-only by now, in all its mappings. */
static void set_gates(void)
{
	unsigned long cr0 = native_read_cr0();
	unsigned int vector;

	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~X86_CR0_WP) : "memory");
	for (vector = FIRST_SYSTEM_VECTOR; vector < NR_VECTORS; vector++)
		set_gate(vector, system_stub(vector), 0);
	set_gate(FIRST_EXTERNAL_VECTOR, irq_entries_start, 0); /* before 6.5 a system vector, too; a host's device may have it */
	set_gate(CO_DELIVERY_VECTOR, irq_entries_start + IDT_ALIGN * (CO_DELIVERY_ENTRY - FIRST_EXTERNAL_VECTOR), 0);
	if (!boot_cpu_has(X86_FEATURE_PTI))
		set_gate(X86_TRAP_NMI, co_nmi, IST_INDEX_NMI + 1);
	if (!IS_ENABLED(CONFIG_X86_MCE)) /* its gate would lead to freed memory */
		set_gate(X86_TRAP_MC, co_early_mce, IST_INDEX_MCE + 1);
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

static void redirect_system_stubs(void)
{
	unsigned int vector;

	for (vector = FIRST_SYSTEM_VECTOR; vector < NR_VECTORS; vector++) {
		u8 *jump = (u8 *)system_stub(vector) + STUB_JUMP_OFFSET;

		if (!co_redirect_jump(jump, asm_spurious_interrupt_code, asm_common_interrupt_code))
			co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_BYTES, (u64)jump);
	}
}

void co_interrupts_init(void)
{
	unsigned int vector;

	for (vector = 0; vector < NR_VECTORS; vector++)
		vectors[vector].handle_irq = forward_to_host;
	vectors[CO_DELIVERY_ENTRY].handle_irq = deliver;
	redirect_system_stubs();
	native_init_IRQ();
	set_gates();
	co_fill_vectors(0);
	create_lines();
	co_console_instantiate();
}
