/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The passage: what both kernels map, at the *same* virtual address. The window of 2 MiB at CO_PASSAGE_VIRT is a hole in every
 * Linux kernel's address space (level2_fixmap_pgt[509], above the vsyscall page); the driver hangs a page table in there in the
 * host, and fills another one for each guest:
 *
 *   CO_PASSAGE_VIRT                host's page table              guest's page table
 *   +0            switch code      one frame, read, execute       the same frame
 *   +n * 4096     struct co_passage   all vCPUs of all guests     its own vCPUs' frames, at the same n
 *
 * So CR3 can be exchanged under our feet: the next instruction, the stack and the data are where they were. The frames are the
 * host's, not guest RAM: no pointer into the guest's direct map leads here. A guest that writes to them all the same (through
 * the window) is as trusted as docs/threat-model.md says. The layout is private to one driver build; the graft uses only what
 * is marked and the switch below. CO_PASSAGE_VERSION guards that.
 */
#ifndef COLINUX_PASSAGE_H
#define COLINUX_PASSAGE_H

#include <colinux/types.h>

#define CO_PASSAGE_VERSION 4
#define CO_PAGE_SIZE 4096
#define CO_MAX_VCPUS 64

#define CO_PASSAGE_VIRT 0xffffffffffa00000 /* the switch code, at its start: co_passage_switch_fn */
#define CO_PASSAGE_WINDOW_PAGES 512

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
#define CO_PENDING_CLOCK 6   /* the host slept: its wall clock is another one */
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
#define CO_CALL_CPU_START 12  /* arg0 = vCPU, arg1 = guest-virtual rip, arg2 = rsp, arg3 = cr3 (as in struct
                               * co_vcpu_entry); result0 = 0 or errno: EINVAL (also when cr3 does not map rip to memory of
                               * the guest), EBUSY (it runs) */
#define CO_CALL_CPU_STOP 13   /* this vCPU is offline: it returns only by another CO_CALL_CPU_START (new frame) */
#define CO_CALL_DEVICE 14     /* arg0 = device, arg1 = CO_DEVICE_*; answered by the daemon. May reschedule: call with IF=1 */
#define CO_CALL_POWER_OFF 15  /* ends the guest; never returns. 15..18 */
#define CO_CALL_REBOOT 16
#define CO_CALL_HALT 17
#define CO_CALL_PANIC 18      /* arg0 = guest-physical address of a NUL-terminated text, arg1 = its capacity, or 0 */
#define CO_CALL_NMI_READY 19  /* arg0 = 1: this vCPU can take an NMI at any moment from now on; 0: no longer */
#define CO_CALL_PROTOCOL 20   /* ends the guest: the graft found its boot info or ABI wrong; arg0 = CO_GRAFT_ERROR_* */
#define CO_CALL_DEBUG 21      /* arg0..3 go to the host log with the vCPU's number; for bring-up only */
#define CO_CALL_DEBUGGER 22   /* arg0 = vector, 1 (#DB) or 3 (#BP), arg1 = guest-virtual struct pt_regs of what was interrupted, arg2 = DR6;
                               * answered by the daemon, which may let the vCPU stand still for as long as it likes and
                               * change the registers; result0 = 0: it is not the debugger's. May reschedule. */
#define CO_CALL_COUNT 23

#define CO_SAW_NMI 1
#define CO_SAW_MCE 2
#define CO_SAW_BAD_STATE 4 /* the guest's state could not be loaded; the host was gone back to */

#define CO_DOORBELLS 256
#define CO_DOORBELL_CONSOLE 0 /* the early console's ring has new text; device doorbells start at 1 */

/* co_mailbox.flags, set by the leaving guest */
#define CO_MAILBOX_CHECKS_PENDING 1 /* the caller handles co_passage.pending itself when the call returns:
                                     * the driver then sends no self-IPI for what is pending */
#define CO_MAILBOX_INTERRUPTS_ON 2  /* the caller had RFLAGS.IF = 1: the host may run something else before it
                                     * returns, whatever the call */

/* Offsets in struct co_passage, for the graft's assembler */
#define CO_PASSAGE_MAILBOX 16
#define CO_PASSAGE_MAILBOX_BYTES 56
#define CO_PASSAGE_IN_NMI 72
#define CO_PASSAGE_HOST 232
#define CO_PASSAGE_GUEST 464

#ifndef __ASSEMBLER__

struct co_descriptor_pointer { /* operand of LGDT/LIDT at byte 6 of a 16-byte slot */
	co_u16 unused[3];
	co_u16 limit;
	co_u64 base;
};

/* The CPU state of one kernel while the other runs: what is exchanged at each crossing, by world_switch.S. */
struct co_world {
	co_u64 rsp;
	co_u64 cr0, cr3, cr4;
	co_u64 gs_base;
	struct co_descriptor_pointer gdtr, idtr;
	co_u64 tss_gdt; /* base of the GDT from which passage_gdt[tr] was taken */
	co_u16 tr;      /* 0: this kernel has not loaded a TSS yet */
	co_u16 ss;
	co_u32 dr7;
	struct co_descriptor_pointer passage_gdtr; /* (driver) */
	co_u64 passage_gdt[16]; /* (driver) flat CS 0x10 and SS 0x18; the switch puts a copy of the TSS
	                         * descriptor at TR's own index */
};

/* What only user mode, or the way there, looks at: the guest's stays in the CPU while the host serves it, and is exchanged when
 * something else runs. Loaded by world_switch.S in the guest (its descriptor tables are needed), saved by the driver. */
struct co_user_state {
	co_u64 fs_base, kernel_gs_base;
	co_u64 cr2; /* as it was when the guest left; a copy for who looks at it */
	co_u16 ds, es, fs, gs, ldtr, unused;
	co_u32 load; /* nonzero: load it at the next arrival in the guest */
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
	co_u64 in_nmi; /* (graft) its NMI gate is at work; what it needs to return lies on its stack */
	co_u64 msr[CO_MSR_COUNT]; /* the guest's values of the carried MSRs */
	co_u32 msr_unsure;        /* set by the graft around a write: hardware and msr[] may differ */
	co_u32 nmi_ready;
	/* The timer. With timer_slack set the graft calls CO_CALL_SET_TIMER only where timer_armed is 0 or later than
	 * timer_deadline + timer_slack; else for each deadline. An interrupt before the deadline says nothing. */
	co_u64 timer_deadline; /* (graft) TSC value of the next timer interrupt; 0 = none. The driver clears it when it is due. */
	co_u64 timer_armed;    /* (driver) TSC value at which it looks at timer_deadline; 0 = never */
	co_u64 timer_slack;    /* (graft) TSC ticks by which the interrupt may be late, at most 1 ms; 0: see above */
	co_u64 stolen_ns;      /* (driver) how long this vCPU has waited for a CPU of the host while it had work */
	/* -- used by the driver and the switch ---------------------------------------------- */
	co_u64 passage_cr4_set; /* bits that CR4 has during the passage (FSGSBASE where the CPU has it) */
	co_u64 saw;             /* CO_SAW_*: set by the passage's exception handlers */
	struct co_descriptor_pointer passage_idtr; /* (driver) */
	struct co_world host, guest;
	struct co_user_state user;  /* the guest's */
	co_u64 passage_idt[2 * 20]; /* (driver) vectors 0..19 */
	co_u64 stack[96];           /* passage stack: an NMI and an #MC frame, nested, with room */
};

CO_STATIC_ASSERT(sizeof(struct co_passage) <= CO_PAGE_SIZE, "the passage data is one page");
CO_STATIC_ASSERT(__builtin_offsetof(struct co_passage, mailbox) == CO_PASSAGE_MAILBOX && sizeof(struct co_mailbox) == CO_PASSAGE_MAILBOX_BYTES &&
			 __builtin_offsetof(struct co_passage, in_nmi) == CO_PASSAGE_IN_NMI &&
			 __builtin_offsetof(struct co_passage, host) == CO_PASSAGE_HOST &&
			 __builtin_offsetof(struct co_passage, guest) == CO_PASSAGE_GUEST,
		 "offsets for the assembler");

/*
 * How the graft leaves the guest: the code at CO_PASSAGE_VIRT. sysv_abi. Call it with
 *   (passage, &passage->guest, &passage->host)
 * after filling passage->mailbox. Interrupts are off inside; RFLAGS, all callee-saved registers, CR0, CR3, CR4, GS base,
 * GDTR, IDTR, TR and the carried MSRs are as before when it returns, and so is all that user mode sees (selectors, LDTR,
 * FS and inactive GS base, FPU, debug registers); caller-saved registers are lost, CR2 is not. Must be called on the kernel's CR3
 * (PTI!) with a kernel stack of at least 128 bytes left. Not reentrant, except from an NMI
 * handler, which must save and restore `mailbox`.
 */
typedef void (*co_passage_switch_fn)(struct co_passage *passage, struct co_world *from, struct co_world *to);

#endif /* !__ASSEMBLER__ */
#endif
