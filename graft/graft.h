/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the graft share. The graft is linked into an unmodified Linux kernel at load time and makes
 * it a guest (docs/graft.md); it runs in the guest's ring 0. It may call any function of the kernel, exported or
 * static: an undefined symbol is resolved by the loader.
 */
#ifndef COLINUX_GRAFT_H
#define COLINUX_GRAFT_H

#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include <colinux/boot_info.h>
#include <colinux/passage.h>

#include "compat.h"

extern struct co_boot_info co_boot_info;

/* ---- window and passage (calls.c, entry.S) ------------------------------------------------------- */

/* Where guest-physical memory of the loader (console ring, transport) appears: the direct map. */
void *co_shared_memory(u64 phys);
/* Guest-physical address of an object of the graft itself; __pa() does not know the window. */
u64 co_graft_phys(const void *object);
/* The executable window, writable: its alias in the direct map. */
void *co_writable_alias(const void *object);

struct co_passage *co_passage_of(unsigned int cpu);
struct co_passage *co_this_passage(void); /* interrupts off */

/* Leave for the host. Any context but NMI. Returns result[0]. When interrupts are on, what became pending
 * meanwhile has been handled when it returns. */
u64 co_call(u32 call, u64 arg0, u64 arg1, u64 arg2, u64 arg3);
/* The same for a caller that has interrupts off and looks at `pending` itself (flags: CO_MAILBOX_*). */
u64 co_call_interrupts_off(u32 call, u32 flags, u64 arg0);
/* From an NMI or machine check, at any point, even inside another call. flags: of what it interrupted. */
void co_call_from_exception(struct co_passage *passage, u32 call, u32 flags);
void co_passage_switch(struct co_passage *passage, struct co_world *from, struct co_world *to); /* as co_passage_switch_fn */
/* From a debug exception, at any point, even inside another call. False: it is not the debugger's. */
bool co_call_debugger(u32 vector, const struct pt_regs *regs, u64 dr6);
/* Calls that do not return. */
void __noreturn co_end(u32 call, u64 arg0, u64 arg1);

/* ---- interrupts (irq.c) --------------------------------------------------------------------------- */

#define CO_DELIVERY_VECTOR 31      /* gate for `int`; no hardware raises it */
#define CO_DELIVERY_ENTRY 0x80     /* its gate leads to the kernel's unused entry for this vector */

void co_interrupts_init(void);             /* x86_init.irqs.intr_init */
void co_fill_vectors(unsigned int cpu);    /* the kernel's vector table of one CPU; interrupts off on it */
int co_irq_of_line(unsigned int line);     /* Linux interrupt number of a device line */
void co_raise(unsigned int cpu, unsigned int bit); /* CO_PENDING_* of another CPU or this one */

static inline void co_deliver(void) /* handle what is pending, as an interrupt; interrupts on */
{
	asm volatile("int %0" : : "i"(CO_DELIVERY_VECTOR) : "memory");
}

/* ---- the rest, by file ---------------------------------------------------------------------------- */

u64 co_read_msr(unsigned int msr);                                      /* register_filter.c */
u64 co_read_msr_safe(unsigned int msr, int *error);
void co_write_msr(unsigned int msr, unsigned int low, unsigned int high);
int co_write_msr_safe(unsigned int msr, unsigned int low, unsigned int high);
void co_filter_msr_reads(void);
void co_cpuid(unsigned int *eax, unsigned int *ebx, unsigned int *ecx, unsigned int *edx); /* cpuid_filter.c */

/* Text of the kernel, before it becomes read-only: redirect every direct call of `target` inside `function`;
 * change the immediate of every `mov $old, %r32` there. The number of places changed. (text_patch.c) */
unsigned int co_redirect_calls(void *function, const void *target, const void *replacement);
unsigned int co_change_immediates(void *function, u32 old, u32 new);
unsigned int co_leave_spins_on_second_byte(void *function);
unsigned int co_drop_gs_loads(void *function); /* every `mov %r32, %gs` there becomes a NOP */
bool co_redirect_jump(u8 *jump, const void *target, const void *replacement);
/* The first place of these bytes in `function`; NULL: none. */
u8 *co_find_bytes(void *function, const u8 *bytes, size_t count);
void co_write_jump(u8 *place, const void *target); /* five bytes */
void co_choose_return_thunk(void); /* once the kernel has chosen its own */

void co_time_init(void);           /* time.c */
void co_set_clock(void);           /* a running kernel */
void co_clock_stepped(void);       /* CO_PENDING_CLOCK; hard interrupt context */
void co_count_stolen_time(void);   /* a running kernel */
void co_timer_event(void);         /* CO_PENDING_TIMER; hard interrupt context */
void co_idle(void);                /* idle.c */
void co_smp_init(void);            /* smp.c */
extern unsigned int co_starting_cpu; /* the CPU that runs on early gates; 0 at boot */
void co_spinlocks_init(void);      /* spinlocks.c; more than one vCPU */
void co_let_through(unsigned int cpu); /* about to start: what it would wait for with interrupts off is said beforehand */
void co_early_console_init(void);  /* console_early.c */
u32 co_ring_write(const char *text, u32 count);
u32 co_ring_read(char *text, u32 count, char doubled); /* each `doubled` comes twice; 0: none */
bool co_ring_size_changed(u16 *rows, u16 *columns);
void co_console_instantiate(void); /* console.c */
int co_console_start(void);        /* device initcall */
void co_console_line(void);        /* before line 0 is handled */
void co_shutdown_init(void);       /* shutdown.c */
void co_refuse_sleep(void);        /* after the kernel's initcalls */
void co_orderly_stop(void);        /* CO_PENDING_STOP; hard interrupt context */
void co_debugger_init(void);       /* debugger.c */
void co_take_ports(void);          /* resources.c */
void co_take_memory(void);
void co_initcalls_init(void);      /* initcalls.c */
void co_transport_start(void);     /* transport.c; after the last initcall */

#endif
