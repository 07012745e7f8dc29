/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's ioctl interface: the promise between the daemon (any process of root's) and the
 * driver. Shaped like KVM's: a device node, a file per guest, a file per vCPU, guest memory by
 * mmap, doorbells and interrupt lines by eventfd.
 *
 *   /dev/colinux --CO_CREATE_GUEST--> guest fd --CO_CREATE_VCPU--> vCPU fd
 *        |                              | mmap: guest RAM            | mmap: struct co_run
 *        CO_GET_INFO                    CO_ALLOCATE_MEMORY ...       CO_RUN
 *
 * Life time: a guest lives as long as any fd or mapping of it. When the last goes, for whatever
 * reason, every frame, timer and thread reference goes back.
 *
 * All structs are fixed-size, little-endian, without implicit padding; fields named `reserved` must
 * be zero (EINVAL otherwise). Every call that fails changes nothing. Errors common to all calls:
 * EFAULT (bad pointer), ENOTTY (unknown call), EIO (the guest has ended), EBUSY (see each call).
 * On NT the same codes go through DeviceIoControl.
 */
#ifndef COLINUX_ABI_H
#define COLINUX_ABI_H

#include <colinux/types.h>

#ifndef __ASSEMBLER__

#define CO_DEVICE_PATH "/dev/colinux"
#define CO_ABI_VERSION 6 /* equal, or the daemon refuses to use the driver */

/* _IOC() spelled out, so that the core and NT agree with Linux without its headers */
#define CO_IOC(direction, number, size) \
	(((co_u32)(direction) << 30) | ((co_u32)(size) << 16) | (0xC0u << 8) | (number))
#define CO_IO(number) CO_IOC(0, number, 0)
#define CO_IOW(number, type) CO_IOC(1, number, sizeof(type))
#define CO_IOR(number, type) CO_IOC(2, number, sizeof(type))
#define CO_IOWR(number, type) CO_IOC(3, number, sizeof(type))

/* ---- /dev/colinux ------------------------------------------------------------------------ */

/* Why this machine cannot run guests now; 0 = it can. One bit each; `colinux doctor` has the texts. */
#define CO_REFUSAL_NO_NX (1u << 0)
#define CO_REFUSAL_NO_INVARIANT_TSC (1u << 1) /* TSC absent or not usable as a clock */
#define CO_REFUSAL_FRED (1u << 2)
#define CO_REFUSAL_SEV_TDX (1u << 3)          /* the host is itself a confidential guest */
#define CO_REFUSAL_XEN_PV (1u << 4)           /* the host kernel is not in ring 0 */
#define CO_REFUSAL_HOST_SYMBOL (1u << 5)      /* the host kernel lacks a function that the glue needs */
#define CO_REFUSAL_NO_FXSR (1u << 6)
#define CO_REFUSAL_WINDOW (1u << 7)           /* the host kernel uses the addresses of the passage window itself */
/* State that the host uses and the switch does not carry (docs/world-switch.md) */
#define CO_REFUSAL_SHADOW_STACK (1u << 8)      /* supervisor shadow stacks: CR4.CET and S_CET.SH_STK_EN */
#define CO_REFUSAL_UINTR (1u << 9)             /* user interrupts: CR4.UINTR */
#define CO_REFUSAL_UNKNOWN_CR4 (1u << 10)      /* a bit of CR4 that this driver does not know */
#define CO_REFUSAL_MEMORY_ENCRYPTION (1u << 11) /* page tables of the host have an encryption bit (SME) */
#define CO_REFUSAL_PREEMPT_RT (1u << 12)       /* the host kernel's own promises of latency would not hold */
#define CO_REFUSAL_TSC_UNSTABLE (1u << 13)     /* the host kernel does not trust its TSC, which is a guest's clock */

struct co_info { /* CO_GET_INFO */
	co_u32 abi_version;
	co_u32 passage_version;
	co_u32 refusals; /* CO_REFUSAL_* */
	co_u32 tsc_khz;
	co_u64 host_cr4;
	co_u64 host_xcr0;
	co_u64 frames; /* 4 KiB frames that the driver holds, all guests together */
	co_u32 guests; /* guests alive */
	co_u32 reserved0;
	co_u64 reserved[6];
};
#define CO_GET_VERSION CO_IO(0x00) /* returns CO_ABI_VERSION; never changes */
#define CO_GET_INFO CO_IOR(0x01, struct co_info)

struct co_create_guest {
	co_u32 vcpus;        /* in: 1..CO_MAX_VCPUS */
	co_u32 flags;        /* in: 0 */
	co_u64 passage_virt; /* out: virtual address of vCPU 0's struct co_passage in both kernels; the others' follow, a page each */
	co_u64 reserved;
};
/* Returns a guest fd. EINVAL, ENOMEM (all guests together have 511 vCPUs at most), ENODEV (a CO_REFUSAL_* stands), EMFILE. */
#define CO_CREATE_GUEST CO_IOWR(0x02, struct co_create_guest)

/* ---- guest fd ---------------------------------------------------------------------------- */

#define CO_BLOCK_SIZE (2u << 20) /* guest memory comes in blocks of 2 MiB, aligned */

struct co_allocate_memory {
	co_u64 bytes;          /* in: wanted in all; multiple of CO_BLOCK_SIZE */
	co_u64 contiguous;     /* in: one run of at least this size must be among it (kernel image) */
	co_u64 found_bytes;    /* out, also on ENOMEM: what was found ... */
	co_u64 found_run;      /* ... and the largest run in it */
	co_u64 reserved[2];
};
/* Once per guest. Zeroed. ENOMEM: nothing is kept. EINVAL, EBUSY (already done), EINTR. Can take
 * long: call it from a thread of its own, poll progress with CO_GET_GUEST_STATS. */
#define CO_ALLOCATE_MEMORY CO_IOWR(0x10, struct co_allocate_memory)

struct co_memory_range { /* one physically contiguous run, ascending by address */
	co_u64 phys;   /* machine-physical = guest-physical address */
	co_u64 bytes;
	co_u64 offset; /* where mmap() of the guest fd finds it; ranges lie back to back from 0 */
};
struct co_get_memory {
	co_u64 ranges;   /* in: pointer to struct co_memory_range[capacity] */
	co_u32 capacity; /* in */
	co_u32 count;    /* out: how many there are; the first min(count, capacity) are written */
};
#define CO_GET_MEMORY CO_IOWR(0x11, struct co_get_memory)

struct co_set_passage {
	co_u64 table_phys; /* page of guest RAM, 4 KiB aligned: the page table that the guest's page directories refer to for the 2 MiB
	                    * at CO_PASSAGE_VIRT (passage.h). The driver fills it, here and in CO_CREATE_VCPU. */
	co_u64 reserved[3];
};
/* Once per guest, before the first vCPU. EINVAL: not aligned, not guest RAM. EBUSY. */
#define CO_SET_PASSAGE CO_IOW(0x12, struct co_set_passage)

/* Argument: index 0..vcpus-1. Returns a vCPU fd. EEXIST, EINVAL. */
#define CO_CREATE_VCPU CO_IO(0x13)

struct co_bind_doorbell {
	co_u32 doorbell; /* 0..CO_DOORBELLS-1 */
	co_u32 reserved; /* 0 */
	co_s64 eventfd;  /* once per doorbell (EBUSY), for as long as the guest lives. EINVAL: not an eventfd */
};
#define CO_BIND_DOORBELL CO_IOW(0x14, struct co_bind_doorbell)

struct co_bind_irq_line {
	co_u32 line;     /* 0..CO_IRQ_LINES-1 */
	co_u32 vcpu;     /* which vCPU gets it */
	co_s64 eventfd;  /* each write to it raises the line; -1 unbinds */
};
#define CO_BIND_IRQ_LINE CO_IOW(0x15, struct co_bind_irq_line)

struct co_guest_stats {
	co_u64 frames;           /* 4 KiB frames held for this guest, RAM and overhead */
	co_u64 overhead_frames;  /* of these, not guest RAM */
	co_u64 memory_progress;  /* bytes allocated and zeroed so far by CO_ALLOCATE_MEMORY */
	co_u64 switches;         /* world switch round trips, all vCPUs */
	co_u64 calls[32];        /* of these, by CO_CALL_* */
	co_u64 nmis;             /* given to the host, from the guest's entry */
	co_u64 passage_nmis;     /* likewise, caught in the passage */
	co_u64 preemption_nmis;  /* of `nmis`, those that the driver sent to get the CPU back */
	co_u64 reserved[16];
};
#define CO_GET_GUEST_STATS CO_IOR(0x16, struct co_guest_stats)

/* The power button: sets CO_PENDING_STOP on vCPU 0 and wakes it; the graft shuts the guest down in
 * order. Any number of times; does not wait. */
#define CO_REQUEST_STOP CO_IO(0x17)

struct co_memory_block {
	co_u64 phys;   /* in: of a block of CO_BLOCK_SIZE in one of CO_GET_MEMORY's ranges */
	co_u64 offset; /* out: where mmap() of the guest fd has it */
	co_u64 reserved[2];
};
/* The guest has given this block up: its frames are the host's again, each as soon as nobody in the host uses it any more (a transfer
 * that is under way). CO_GET_MEMORY goes on listing it; every mapping shows one substitute page all over it, so that nobody who comes
 * late is harmed or does harm. EINVAL: not aligned, not the guest's. EEXIST: given up already. EBUSY: the driver needs what is in
 * it (CO_SET_PASSAGE). ENOMEM: no substitute page. EINTR: nothing happened, try again. */
#define CO_GIVE_UP_BLOCK CO_IOWR(0x18, struct co_memory_block)
/* The guest gets it back, the very same frames, zeroed. ENOMEM: the host has other use for them. EINVAL; EEXIST: it is not given up. */
#define CO_TAKE_BACK_BLOCK CO_IOWR(0x19, struct co_memory_block)

/* ---- vCPU fd ----------------------------------------------------------------------------- */

struct co_vcpu_entry { /* first state of vCPU 0: 64-bit mode, IF=0, flat segments, passage GDT */
	co_u64 rip, rsp;   /* guest-virtual under cr3; canonical, or EINVAL */
	co_u64 cr3;        /* a frame of guest RAM, or EINVAL: page tables as deep as the host's (co_info.host_cr4 bit 12 = 5 levels); they
	                    * must refer to CO_SET_PASSAGE's table for CO_PASSAGE_VIRT */
	co_u64 rdi, rsi;
	co_u64 idt_base;   /* guest-virtual; IDT in force until the guest loads its own, for every vCPU; with an NMI gate
	                    * that works from the first instruction on */
	co_u32 idt_limit;  /* 0 = none: no NMI is sent before CO_CALL_NMI_READY */
	co_u32 reserved;
};
/* EBUSY once it has run. The other vCPUs are started by the guest (CO_CALL_CPU_START). */
#define CO_SET_ENTRY CO_IOW(0x20, struct co_vcpu_entry)

/* Exits that user space sees */
#define CO_EXIT_NONE 0
#define CO_EXIT_INTERRUPTED 1 /* a signal is pending for this thread, or co_run.immediate_exit */
#define CO_EXIT_DEVICE 2      /* arg0 = device, arg1 = CO_DEVICE_*; answer in place, then CO_RUN again */
#define CO_EXIT_POWER_OFF 3   /* 3..8: the guest has ended; CO_RUN of any vCPU of it returns the same */
#define CO_EXIT_REBOOT 4
#define CO_EXIT_HALT 5
#define CO_EXIT_PANIC 6       /* arg0, arg1 as CO_CALL_PANIC */
#define CO_EXIT_KILLED 7      /* the core ended it: arg0 = CO_KILL_* , arg1 = detail */
#define CO_EXIT_PROTOCOL 8    /* the graft refused: arg0 = CO_GRAFT_ERROR_* */
#define CO_EXIT_DEBUGGER 9    /* arg0..2 as CO_CALL_DEBUGGER; answer like CO_EXIT_DEVICE */

#define CO_KILL_BAD_CALL 1      /* unknown CO_CALL_*; arg1 = it */
#define CO_KILL_BAD_STATE 2     /* guest state not fit to continue from; arg1 = CO_BAD_STATE_* */
#define CO_KILL_HANG 3          /* watchdog */
#define CO_KILL_BY_USER 4       /* SIGKILL or close while it ran */
#define CO_KILL_HOST_ENDS 5     /* the host shuts down, reboots or starts another kernel */
#define CO_KILL_TSC_RESTARTED 6 /* the host slept, and the TSC, the guest's clock, began anew */

#define CO_BAD_STATE_UNLOADABLE 1 /* the CPU refused a register's value; the host was gone back to */
/* The others are looked at before each entry */
#define CO_BAD_STATE_CR3 2    /* not in guest RAM */
#define CO_BAD_STATE_WINDOW 3 /* the page tables do not lead to CO_SET_PASSAGE's table, or that has been changed */
#define CO_BAD_STATE_IDT 4    /* not mapped to guest RAM; likewise: */
#define CO_BAD_STATE_GDT 5
#define CO_BAD_STATE_TSS 6
#define CO_BAD_STATE_MSR 7 /* a value in co_passage.msr that WRMSR would not take */

/* mmap of the vCPU fd: page 0 = struct co_run, page 1 = struct co_passage with the guest's registers in it while it is out */
struct co_run { /* shared page of one vCPU: written by the driver when CO_RUN returns 0 */
	co_u32 immediate_exit; /* in: nonzero = CO_RUN returns CO_EXIT_INTERRUPTED at once; may be set any time */
	co_u32 exit;           /* out: CO_EXIT_* */
	co_u64 arg[4];         /* out */
	co_u64 result;         /* in, for CO_EXIT_DEVICE and CO_EXIT_DEBUGGER: goes to the guest's mailbox.result[0] */
	/* out, at any time: how the vCPU gets on, for who watches it */
	co_u64 progress;       /* exits that the guest made with its interrupts on */
	co_u64 stalls;         /* exits with its interrupts off: calls, and each time an NMI took its CPU away */
	co_u32 sleep;          /* CO_SLEEP_*: what it waits for since it last was in the guest */
	co_u32 reserved0;
	co_u64 reserved[6];
};
#define CO_SLEEP_NONE 0
#define CO_SLEEP_IDLE 1
#define CO_SLEEP_LOCK_WAIT 2 /* for a lock that another vCPU holds */
#define CO_SLEEP_STOPPED 3   /* not started, or offline */

/* Runs the guest on the calling thread. A vCPU that was never started sleeps in here until the
 * guest starts it. 0 = see co_run.exit. EBUSY: another thread runs it. */
#define CO_RUN CO_IO(0x21)

#endif /* !__ASSEMBLER__ */
#endif
