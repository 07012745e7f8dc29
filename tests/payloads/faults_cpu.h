/* SPDX-License-Identifier: GPL-2.0 */
/* A payload that can bear its own faults: GDT, TSS with stacks for double fault, NMI and machine check, and an IDT whose
 * gates lead to the host. Each vCPU has its own. */
#ifndef COLINUX_PAYLOAD_FAULTS_CPU_H
#define COLINUX_PAYLOAD_FAULTS_CPU_H

#include "cpu_registers.h"
#include "faults.h"

struct gate {
	co_u16 low, selector;
	co_u8 stack, type;
	co_u16 middle;
	co_u32 high, reserved;
} __attribute__((packed));

struct table_pointer {
	co_u16 limit;
	co_u64 base;
} __attribute__((packed));

struct trap_frame {
	co_u64 r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	co_u64 vector, error, rip, cs, rflags, rsp, ss;
};

#define GDT_TASK_SLOT 4
#define VECTOR_DEBUG 1
#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_MACHINE_CHECK 18
#define FLAG_IF 0x200
#define FLAG_RF 0x10000

extern struct gate idt[256];
extern co_u64 gdt[PAYLOAD_MAX_VCPUS][8];
extern char trap_stubs[256][16], other_start[];
extern volatile int nmi_goes_to_spin, nmi_never_returns, debug_goes_on; /* what the next NMI, #DB does */

void set_up_cpu(struct co_passage *passage); /* and interrupts on */
struct co_passage *passage_of(unsigned int vcpu);
/* Leaves with interrupts off, whatever they were */
co_u64 leave(struct co_passage *passage, co_u32 number, co_u64 arg0, co_u64 arg1, co_u64 arg2, co_u64 arg3);
void spin(void);

static inline void load_idt(co_u64 base, co_u16 limit)
{
	struct table_pointer pointer = { limit, base };

	asm volatile("lidt %0" : : "m"(pointer));
}

static inline void load_gdt(co_u64 base, co_u16 limit)
{
	struct table_pointer pointer = { limit, base };

	asm volatile("lgdt %0" : : "m"(pointer));
}

#endif
