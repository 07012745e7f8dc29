/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The passage: the one data page per vCPU that both kernels map, and the one code page that is
 * identical in both. world_switch.S runs from the code page; everything it needs lies in the data
 * page, at an address that differs per world.
 *
 *      host address space                          guest address space
 *   +----------------------+                    +----------------------------+
 *   | driver text: code    |                    | graft: co_passage_code     |
 *   | vmap(frame): page  --+---- one frame -----+-- graft: co_passages[vcpu] |
 *   +----------------------+   of guest RAM     +----------------------------+
 *
 * The frame is guest RAM (in the graft), the driver maps it and never trusts it further than
 * docs/threat-model.md says. The layout is private to one driver build: the driver copies its own
 * switch code into the guest's code page, and the graft uses only `mailbox`, `pending`, `msr` and
 * the call `co_passage_switch()` below. CO_PASSAGE_VERSION guards those.
 */
#ifndef COLINUX_PASSAGE_H
#define COLINUX_PASSAGE_H

#include <colinux/types.h>

#define CO_PASSAGE_VERSION 1
#define CO_PAGE_SIZE 4096
#define CO_MAX_VCPUS 64

/* MSRs that a world owns. The guest's values live in co_passage.msr, written by the graft's MSR
 * filter *before* the hardware register; the driver never reads them with RDMSR. */
#define CO_MSR_STAR 0
#define CO_MSR_LSTAR 1
#define CO_MSR_CSTAR 2
#define CO_MSR_SFMASK 3
#define CO_MSR_SYSENTER_CS 4
#define CO_MSR_SYSENTER_ESP 5
#define CO_MSR_SYSENTER_EIP 6
#define CO_MSR_PAT 7
#define CO_MSR_TSC_AUX 8
#define CO_MSR_XSS 9
#define CO_MSR_COUNT 10

/* Bits of co_passage.pending: virtual interrupts. Anyone may set one (atomic OR); the vCPU takes
 * all with an atomic exchange. Set by the driver, or by the graft of another vCPU followed by
 * CO_CALL_KICK when the bit was clear before. */
#define CO_PENDING_TIMER 0
#define CO_PENDING_RESCHEDULE 1
#define CO_PENDING_CALL_FUNCTION 2
#define CO_PENDING_CALL_FUNCTION_SINGLE 3
#define CO_PENDING_IRQ_WORK 4
#define CO_PENDING_STOP 5
#define CO_PENDING_LINE0 16 /* device interrupt lines 0..47 */
#define CO_IRQ_LINES 48

/* Why the guest left. Set in mailbox.call by the side that leaves; arguments per call. Unless said
 * otherwise the call returns at once. "May reschedule": the host may run something else first. */
#define CO_CALL_NONE 0
#define CO_CALL_INTERRUPT 1   /* arg0 = hardware vector 32..255 taken while the guest ran. May reschedule. */
#define CO_CALL_NMI 2         /* the guest's NMI entry ran; the NMI is the host's. CO_MAILBOX_INTERRUPTS_ON: as what it interrupted */
#define CO_CALL_MCE 3         /* likewise a machine check */
#define CO_CALL_IDLE 4        /* sleep until pending != 0; returns at once when it already is. May reschedule. */
#define CO_CALL_YIELD 5       /* give the CPU away once if anyone wants it; for spinners. arg0 != 0: sleep for a moment (50 us or
                               * so) in any case, for who waits for something that is no CPU's to do. May reschedule. */
#define CO_CALL_LOCK_WAIT 6   /* pv_wait: sleep until CO_CALL_LOCK_KICK for this vCPU; with CO_MAILBOX_INTERRUPTS_ON also
                               * until pending != 0. It may end without a reason: look at the lock. May reschedule. */
#define CO_CALL_LOCK_KICK 7   /* arg0 = vCPU to wake from CO_CALL_LOCK_WAIT (sticky if it does not wait yet) */
#define CO_CALL_KICK 8        /* arg0 = vCPU whose pending word was just changed */
#define CO_CALL_SET_TIMER 9   /* arg0 = absolute TSC value of the next timer interrupt, 0 = none */
#define CO_CALL_CLOCK 10      /* result0 = host wall clock in ns since 1970, result1 = TSC at that moment */
#define CO_CALL_DOORBELL 11   /* arg0 = doorbell number 0..CO_DOORBELLS-1: signals the eventfd bound to it */
#define CO_CALL_CPU_START 12  /* arg0 = vCPU, arg1 = guest-virtual rip, arg2 = rsp, arg3 = cr3; result0 = 0 or errno */
#define CO_CALL_CPU_STOP 13   /* this vCPU is offline: it returns only by another CO_CALL_CPU_START (new frame) */
#define CO_CALL_DEVICE 14     /* arg0 = device, arg1 = CO_DEVICE_*; answered by the daemon. May reschedule: call with IF=1 */
#define CO_CALL_POWER_OFF 15  /* ends the guest; never returns. 15..18 */
#define CO_CALL_REBOOT 16
#define CO_CALL_HALT 17
#define CO_CALL_PANIC 18      /* arg0 = guest-physical address of a NUL-terminated text, arg1 = its capacity, or 0 */
#define CO_CALL_NMI_READY 19  /* arg0 = 1: this vCPU can take an NMI at any moment from now on; 0: no longer */
#define CO_CALL_PROTOCOL 20   /* ends the guest: the graft found its boot info or ABI wrong; arg0 = CO_GRAFT_ERROR_* */
#define CO_CALL_DEBUG 21      /* arg0..3 go to the host log with the vCPU's number; for bring-up only */
#define CO_CALL_COUNT 22

#define CO_DOORBELLS 256
#define CO_DOORBELL_CONSOLE 0 /* the early console's ring has new text; device doorbells start at 1 */

/* co_mailbox.flags, set by the leaving guest */
#define CO_MAILBOX_CHECKS_PENDING 1 /* the caller handles co_passage.pending itself when the call returns:
                                     * the driver then sends no self-IPI for what is pending */
#define CO_MAILBOX_INTERRUPTS_ON 2  /* the caller had RFLAGS.IF = 1: the host may run something else before it
                                     * returns, whatever the call */

#ifndef __ASSEMBLER__

struct co_descriptor_pointer { /* operand of LGDT/LIDT at byte 6 of a 16-byte slot */
	co_u16 unused[3];
	co_u16 limit;
	co_u64 base;
};

/* The CPU state of one kernel while the other runs. Written and read by world_switch.S only,
 * except for the fields marked (driver), which the core sets up. */
struct co_world {
	co_u64 rsp;
	co_u64 cr0, cr2, cr3, cr4;
	co_u64 fs_base, gs_base, kernel_gs_base;
	struct co_descriptor_pointer gdtr, idtr;
	co_u16 ldtr, tr, ds, es, fs, gs, ss, unused;
	co_u64 page;    /* (driver) virtual address of this data page in this world */
	co_u64 arrival; /* (driver) virtual address in this world of the arrival label in the code page */
	struct co_descriptor_pointer passage_gdtr, passage_idtr; /* (driver) */
	co_u64 passage_gdt[16]; /* (driver) flat CS 0x10 and SS 0x18; the switch puts a copy of the TSS
	                         * descriptor at TR's own index */
};

struct co_mailbox {
	co_u32 call;  /* CO_CALL_* */
	co_u32 flags; /* CO_MAILBOX_* */
	co_u64 arg[4];
	co_u64 result[2];
};

struct co_passage {
	/* -- used by the graft -------------------------------------------------------------- */
	co_u32 version; /* CO_PASSAGE_VERSION, set by the driver */
	co_u32 vcpu;    /* index of this vCPU, set by the driver */
	co_u64 pending; /* CO_PENDING_* bits */
	struct co_mailbox mailbox;
	co_u64 msr[CO_MSR_COUNT]; /* the guest's values of the carried MSRs */
	co_u32 msr_unsure;        /* set by the graft around a write: hardware and msr[] may differ */
	co_u32 nmi_ready;
	/* -- used by the driver and the switch ---------------------------------------------- */
	co_u64 transit_cr3;
	co_u64 passage_cr4_set;   /* bits that CR4 has during the passage (FSGSBASE where the CPU has it) */
	co_u32 saw_nmi, saw_mce;  /* set by the passage's own NMI and #MC handlers */
	co_u64 reserved[3];
	struct co_world host, guest;
	co_u64 passage_idt[2 * 20]; /* vectors 0..19 as this world's addresses: host's copy */
	co_u64 passage_idt_guest[2 * 20];
	co_u64 stack[96]; /* passage stack: an NMI and an #MC frame, nested, with room */
};

CO_STATIC_ASSERT(sizeof(struct co_passage) <= CO_PAGE_SIZE, "the passage data is one page");

/*
 * How the graft leaves the guest. Lies at offset 0 of the code page (graft symbol co_passage_code,
 * one page in an executable section, filled by the driver). sysv_abi. Call it with
 *   (passage, &passage->guest, &passage->host)
 * after filling passage->mailbox. Interrupts are off inside; RFLAGS, all callee-saved registers, segment
 * state, control registers and the carried MSRs are as before when it returns; caller-saved
 * registers are lost. FPU state is preserved by the driver. Must be called on the kernel's CR3
 * (PTI!) with a kernel stack of at least 128 bytes left. Not reentrant, except from an NMI
 * handler, which must save and restore `mailbox`.
 */
typedef void (*co_passage_switch_fn)(struct co_passage *passage, struct co_world *from, struct co_world *to);

#endif /* !__ASSEMBLER__ */
#endif
