// SPDX-License-Identifier: GPL-2.0
#include "faults_cpu.h"

#define IST_DOUBLE_FAULT 1
#define IST_NMI 2
#define IST_MACHINE_CHECK 3

struct task_state {
	co_u32 reserved;
	co_u64 rsp[3], none, ist[7];
	co_u64 tail;
	co_u16 tail16, io_map;
} __attribute__((packed));

struct gate idt[256];
co_u64 gdt[PAYLOAD_MAX_VCPUS][8];
volatile int nmi_goes_to_spin, nmi_never_returns, debug_goes_on;
static struct task_state tasks[PAYLOAD_MAX_VCPUS];
static char trap_stacks[PAYLOAD_MAX_VCPUS][3][2048] __attribute__((aligned(16)));

/* The host's IRET, or that of a debug exception met in the handler, lets the next NMI in before this one has returned: each gets another stack. */
#define NMI_STACKS 8
static char nmi_stacks[PAYLOAD_MAX_VCPUS][NMI_STACKS][1024] __attribute__((aligned(16)));
static unsigned int nmis_taken[PAYLOAD_MAX_VCPUS];

static struct co_passage *first_passage; /* the others' follow */

struct co_passage *passage_of(unsigned int vcpu)
{
	return (struct co_passage *)((co_u64)first_passage + vcpu * CO_PAGE_SIZE);
}

static unsigned int this_vcpu(void)
{
	struct table_pointer now;

	asm volatile("sgdt %0" : "=m"(now));
	return (now.base - (co_u64)gdt) / sizeof(gdt[0]) % PAYLOAD_MAX_VCPUS;
}

co_u64 leave(struct co_passage *passage, co_u32 number, co_u64 arg0, co_u64 arg1, co_u64 arg2, co_u64 arg3)
{
	co_u64 flags, result;

	asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	passage->mailbox.arg[2] = arg2;
	passage->mailbox.arg[3] = arg3;
	result = call(passage, number, arg0, arg1);
	if (flags & FLAG_IF)
		asm volatile("sti" : : : "memory");
	return result;
}

void spin(void)
{
	asm volatile("cli");
	for (;;)
		asm volatile("pause");
}

static void take_nmi(struct co_passage *passage, struct trap_frame *frame)
{
	unsigned int vcpu = this_vcpu(), next = ++nmis_taken[vcpu] % NMI_STACKS;
	struct co_mailbox interrupted;

	tasks[vcpu].ist[IST_NMI - 1] = (co_u64)nmi_stacks[vcpu][next] + sizeof(nmi_stacks[vcpu][next]);
	interrupted = passage->mailbox;
	call(passage, CO_CALL_NMI, 0, 0);
	passage->mailbox = interrupted;
	if (nmi_goes_to_spin) { /* behind an IRET: the next NMI comes */
		frame->rip = (co_u64)spin;
		frame->rflags &= ~(co_u64)FLAG_IF;
	}
	while (nmi_never_returns)
		asm volatile("pause");
}

__attribute__((used)) void trap(struct trap_frame *frame)
{
	struct co_passage *passage = passage_of(this_vcpu());

	if (frame->vector >= 32) {
		call(passage, CO_CALL_INTERRUPT, frame->vector, 0);
		passage->pending = 0; /* as if it had handled that; else the driver reminds it for ever */
	} else if (frame->vector == VECTOR_NMI) {
		take_nmi(passage, frame);
	} else if (frame->vector == VECTOR_MACHINE_CHECK) {
		call(passage, CO_CALL_MCE, 0, 0);
	} else if (frame->vector == VECTOR_DEBUG && debug_goes_on) {
		frame->rflags |= FLAG_RF;
	} else {
		RESULT->value[FAULT_VALUE_VECTOR] = frame->vector;
		RESULT->value[FAULT_VALUE_ERROR] = frame->error;
		RESULT->value[FAULT_VALUE_ADDRESS] = frame->rip;
		for (;;)
			call(passage, CO_CALL_PANIC, frame->vector, 0);
	}
}

static void set_gate(unsigned int vector, co_u8 stack)
{
	co_u64 entry = (co_u64)trap_stubs[vector];

	idt[vector] = (struct gate){ entry, 0x10, stack, 0x8e, entry >> 16, entry >> 32, 0 };
}

void set_up_cpu(struct co_passage *passage)
{
	co_u32 vcpu = first_passage ? ((co_u64)passage - (co_u64)first_passage) / CO_PAGE_SIZE : 0;
	struct task_state *task = &tasks[vcpu];
	co_u64 at = (co_u64)task, *table = gdt[vcpu];

	if (!first_passage)
		first_passage = passage;
	for (unsigned int vector = 0; vector < 256; vector++)
		set_gate(vector, vector == VECTOR_DOUBLE_FAULT ? IST_DOUBLE_FAULT :
				 vector == VECTOR_NMI	       ? IST_NMI :
				 vector == VECTOR_MACHINE_CHECK ? IST_MACHINE_CHECK : 0);
	for (unsigned int i = 0; i < 3; i++)
		task->ist[i] = (co_u64)trap_stacks[vcpu][i] + sizeof(trap_stacks[vcpu][i]);
	table[2] = 0x00af9b000000ffff;
	table[3] = 0x00cf93000000ffff;
	table[GDT_TASK_SLOT] = (sizeof(*task) - 1) | (at & 0xffffff) << 16 | 0x89ull << 40 | (at >> 24 & 0xff) << 56;
	table[GDT_TASK_SLOT + 1] = at >> 32;
	load_gdt((co_u64)table, sizeof(gdt[vcpu]) - 1);
	asm volatile("ltr %w0" : : "r"(GDT_TASK_SLOT * 8) : "memory");
	load_idt((co_u64)idt, sizeof(idt) - 1);
	call(passage, CO_CALL_NMI_READY, 1, 0);
	asm volatile("sti");
}
