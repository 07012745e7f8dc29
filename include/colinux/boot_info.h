/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the loader tells the graft: one page of guest RAM inside the graft (symbol co_boot_info),
 * filled before the first instruction of the guest. Plain data; every address is guest-physical
 * (= machine-physical) unless its name says otherwise.
 */
#ifndef COLINUX_BOOT_INFO_H
#define COLINUX_BOOT_INFO_H

#include <colinux/types.h>

#define CO_BOOT_INFO_MAGIC 0x544f4f4258554e4cull /* "LNUXBOOT" */
#define CO_BOOT_INFO_VERSION 3

#define CO_GRAFT_ERROR_BOOT_INFO 1   /* magic or version wrong; detail = version */
#define CO_GRAFT_ERROR_SYMBOL 2      /* the kernel lacks what the graft needs at run time */
#define CO_GRAFT_ERROR_BYTES 3       /* kernel code that the graft redirects is not as expected; arg1 = address */
#define CO_GRAFT_ERROR_PASSAGE 4     /* CO_PASSAGE_VERSION differs */
#define CO_GRAFT_ERROR_EXCEPTION 5   /* a debug exception of nobody's, before the kernel had gates of its own; arg1 = rip */

#define CO_BOOT_DEBUGGER 1 /* co_boot_info.flags: the daemon has a debugger; it gets #DB and #BP of the kernel */

#define CO_BOOT_INFO_PASSAGES 64 /* offset in struct co_boot_info, for the graft's assembler */

#ifndef __ASSEMBLER__

struct co_boot_info {
	co_u64 magic;
	co_u32 version;
	co_u32 vcpus;         /* present from boot on; possible = present */
	co_u64 tsc_khz;
	co_u64 host_xcr0;     /* guest may use at most these XSAVE components */
	co_u64 graft_phys;    /* where the graft's 2 MiB window lies; virtual: CO_GRAFT_VIRT */
	co_u64 console_ring;  /* struct co_console_ring, or 0 */
	co_u64 transport;     /* struct co_transport (transport.h), or 0 */
	co_u32 flags;         /* CO_BOOT_* */
	co_u32 multi_cpu_ok;  /* set by the loader when every lock hook's bytes were as expected */
	co_u64 passages;      /* virtual: struct co_passage of vCPU 0; the others' follow, a page each */
	co_u64 reserved[15];
};
CO_STATIC_ASSERT(__builtin_offsetof(struct co_boot_info, passages) == CO_BOOT_INFO_PASSAGES, "an offset for the assembler");

/* Text from the guest's first line on, until a real console takes over, and again when it panics.
 * Single producer (the graft, under its own lock), single consumer (the daemon). `head` and
 * `tail` count bytes since boot; the text byte n lies at data[n % size]. When full the producer
 * drops text and counts it in `dropped`. After advancing head: doorbell CO_DOORBELL_CONSOLE, at the latest
 * with the guest's next tick. */
struct co_console_ring {
	co_u32 size;    /* of data; power of two, set by the loader */
	co_u32 dropped;
	co_u64 head;    /* written by the graft */
	co_u64 tail;    /* written by the daemon */
	/* input for the login console where the kernel has no virtio_console: bytes typed by the user */
	co_u32 input_size;    /* power of two */
	co_u32 input_offset;  /* of the input bytes, from the start of this struct */
	co_u64 input_head;    /* written by the daemon, then IRQ line 0 is raised */
	co_u64 input_tail;    /* written by the graft */
	co_u16 rows, columns; /* terminal size; the daemon updates it and raises IRQ line 0 */
	co_u32 reserved;
	char data[];
};
#define CO_IRQ_LINE_CONSOLE 0 /* device lines start at 1 */

/* The window: 2 MiB at level2_fixmap_pgt[508], above the vsyscall page. */
#define CO_GRAFT_VIRT 0xffffffffff800000ull
#define CO_GRAFT_BYTES (2u << 20)

#endif /* !__ASSEMBLER__ */
#endif
