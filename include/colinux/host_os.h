/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the portable core asks of the host operating system. host/linux and host/winnt implement
 * exactly these functions, in files of the same names; the unit tests implement them in tests/fakes.
 *
 * Context, per function:
 *   [sleep]   thread of a process, may sleep         Linux: process context      NT: PASSIVE_LEVEL
 *   [atomic]  anywhere but NMI, must not sleep       Linux: hard IRQ             NT: <= DISPATCH_LEVEL
 *   [off]     interrupts are off on this CPU         Linux: local_irq_disable()  NT: IF=0, HIGH_LEVEL
 * Handles (`struct co_os_*`) are opaque to the core. Addresses named phys are machine-physical, in bytes.
 */
#ifndef COLINUX_HOST_OS_H
#define COLINUX_HOST_OS_H

#include <colinux/types.h>

#ifdef __cplusplus
extern "C" {
#define CO_BOOL bool
#else
#define CO_BOOL _Bool
#endif

/* One convention for all hosts, so that the core is the same object code on each. */
#define CO_ABI __attribute__((sysv_abi))

struct co_os_fpu;
struct co_os_lock;
struct co_os_waiter;
struct co_os_timer;
struct co_os_event;
struct co_os_watch;

/* ---- memory ------------------------------------------------------------------------------ */

/* Zeroed kernel memory of the core's own, 16-byte aligned; NULL when there is none. [sleep] */
CO_ABI void *co_os_heap_allocate(co_u64 bytes);
CO_ABI void co_os_heap_free(void *memory);

/* One physically contiguous, zeroed run of `bytes` (CO_BLOCK_SIZE << n), aligned to its size. Returns its
 * phys, or 0 when there is none without disturbing the host. Does not let others run: the core does, after
 * each. [sleep] */
CO_ABI co_u64 co_os_run_allocate(co_u64 bytes);
/* Of a run, or of any aligned part of it in multiples of CO_BLOCK_SIZE. Frames that somebody in the host still uses are freed by him. */
CO_ABI void co_os_run_free(co_u64 phys, co_u64 bytes);
/* As co_os_run_allocate(), of these CO_BLOCK_SIZE bytes at `phys`, which were freed before; false: the host uses them. [sleep] */
CO_ABI CO_BOOL co_os_block_reclaim(co_u64 phys);
/* The largest `bytes` that co_os_run_allocate() can ever serve. */
CO_ABI co_u64 co_os_run_limit(void);

/* One zeroed frame of 4 KiB; phys or 0. [sleep] */
CO_ABI co_u64 co_os_frame_allocate(void);
CO_ABI void co_os_frame_free(co_u64 phys);
/* Kernel address of a frame that one of the two functions above returned, in every process, until it is unmapped, which is before
 * the frame is freed. Never fails: a host that does not have all memory at some address keeps addresses for it, CO_FRAME_MAPPINGS
 * for each vCPU. [atomic] or [off] */
CO_ABI void *co_os_frame_map(co_u64 phys);
CO_ABI void co_os_frame_unmap(void *address);
#define CO_FRAME_MAPPINGS 16
/* Copy to the calling process. 0, or nonzero when the address is bad. [sleep] */
CO_ABI int co_os_copy_to_user(co_u64 user_address, const void *from, co_u64 bytes);

/* The passage window (passage.h): 2 MiB of kernel addresses, the same in every process, that the host itself never uses.
 * open: 0, or nonzero when the host uses them after all. [sleep] */
CO_ABI int co_os_window_open(void);
CO_ABI void co_os_window_close(void);
/* Map the frame `phys` at page `page` of it: to execute, or to read and write. phys = 0 removes what is there; when that returns
 * no CPU knows it any more. [sleep] */
CO_ABI void co_os_window_map(co_u32 page, co_u64 phys, CO_BOOL execute);

/* ---- this CPU ---------------------------------------------------------------------------- */

/* Interrupts off on this CPU, which also pins the thread to it; on again. Not nested. */
CO_ABI void co_os_interrupts_off(void);
CO_ABI void co_os_interrupts_on(void);
CO_ABI co_u32 co_os_cpu(void); /* index of this CPU, stable while [off] */

/* The highest vector that this CPU's interrupt controller has in service, 0 when none. In the run loop that can only be
 * one that the guest accepted and has not handed over. [off] */
CO_ABI co_u32 co_os_vector_in_service(void);
/* Has this CPU accepted `vector` (32..255), and has nobody said its end (EOI)? Also true for the few vectors of which a
 * hypervisor or a PIC keeps no such note. [off] */
CO_ABI CO_BOOL co_os_vector_is_due(co_u32 vector);
/* Run the host's handler for an interrupt that the CPU already acknowledged: vector 32..255. [off] */
CO_ABI void co_os_take_interrupt(co_u32 vector);
/* Likewise an NMI; NMIs may be blocked by the CPU, and are not when it returns. [off] */
CO_ABI void co_os_take_nmi(void);
/* Likewise a machine check; does nothing when the CPU has none in progress. [off] */
CO_ABI void co_os_take_machine_check(void);

/* Make CPU `cpu` (may be this one) take some harmless interrupt soon. [atomic] */
CO_ABI void co_os_kick_cpu(co_u32 cpu);
/* Send it an NMI that the host will not complain about. [atomic] */
CO_ABI void co_os_send_nmi(co_u32 cpu);

/* Does this thread have to give up the CPU (rescheduling, work on return to user space)? [off] */
CO_ABI CO_BOOL co_os_must_yield(void);
/* Has it to return to user space for a moment (a signal, or work that is done only there)? [sleep] or [off] */
CO_ABI CO_BOOL co_os_must_return(void);
/* Does a signal wait for it, so that long work should end? [sleep] */
CO_ABI CO_BOOL co_os_interrupted(void);
/* Do system call MSRs of this CPU hold another hypervisor's values until the next return to user space? KVM leaves its
 * guest's there. [off] */
CO_ABI CO_BOOL co_os_msrs_are_lent(void);
/* Let others run now, if there are any. `eager`: even those that would have to wait for our time slice's end. [sleep] */
CO_ABI void co_os_yield(CO_BOOL eager);
/* Sleep for a moment (50 us or so), whether anybody else wants the CPU or not. [sleep] */
CO_ABI void co_os_pause(void);
/* How many CPUs are online. None goes while [off]; one may come at once. [off] */
CO_ABI co_u32 co_os_online_cpus(void);
/* How long the calling thread has been ready to run and was not, in ns since it exists. [off] */
CO_ABI co_u64 co_os_waited_ns(void);
/* The guest ran, which counts as user space for the host's RCU. Called after each of the host's handlers that was run. [off] */
CO_ABI void co_os_note_guest(void);

/* ---- FPU --------------------------------------------------------------------------------- */

/* A guest FPU state, initialised; NULL: no memory. [sleep] */
CO_ABI struct co_os_fpu *co_os_fpu_create(void);
CO_ABI void co_os_fpu_destroy(struct co_os_fpu *fpu);
/* From here to detach the calling thread's FPU state is the guest's; the host keeps it across preemption. [sleep] */
CO_ABI void co_os_fpu_attach(struct co_os_fpu *fpu);
CO_ABI void co_os_fpu_detach(struct co_os_fpu *fpu);
/* The attached state is in the registers when this returns, and stays there until interrupts are on or one of the host's handlers has
 * run. [off] */
CO_ABI void co_os_fpu_load(void);

/* ---- time -------------------------------------------------------------------------------- */

/* TSC ticks per ms of the host's own clock, as well as it is known by now; 0: the TSC is not usable as a clock. */
CO_ABI co_u32 co_os_tsc_khz(void);
/* Has the host found, or been told, that its TSC is no clock? May change at any time. [atomic] */
CO_ABI CO_BOOL co_os_tsc_is_unstable(void);
/* How long a guest may keep a CPU from the host's interrupts, in microseconds: 5 ms, 1.25 of the host's ticks when these are
 * longer, or what the administrator said. At load. */
CO_ABI co_u32 co_os_longest_stay_us(void);
CO_ABI co_u64 co_os_wall_clock_ns(void); /* since 1970, UTC. [atomic] */

/* One-shot timer. `expired(context)` runs [atomic] on any CPU. cancel waits for a running callback unless
 * called from it. start of a running timer moves it. */
CO_ABI struct co_os_timer *co_os_timer_create(CO_ABI void (*expired)(void *context), void *context);
CO_ABI void co_os_timer_destroy(struct co_os_timer *timer); /* [sleep] */
CO_ABI void co_os_timer_start(struct co_os_timer *timer, co_u64 delay_ns); /* [off] or [atomic] */
CO_ABI void co_os_timer_stop(struct co_os_timer *timer); /* does not wait. [off] or [atomic] */

/* ---- waiting, locks ---------------------------------------------------------------------- */

CO_ABI struct co_os_waiter *co_os_waiter_create(void);
CO_ABI void co_os_waiter_destroy(struct co_os_waiter *waiter);
/* Sleep until ready(context) is true or the thread must return to user space. One thread per waiter. [sleep] */
CO_ABI void co_os_wait(struct co_os_waiter *waiter, CO_ABI CO_BOOL (*ready)(void *context), void *context);
CO_ABI void co_os_wake(struct co_os_waiter *waiter); /* [atomic], [off] */

CO_ABI struct co_os_lock *co_os_lock_create(void); /* a mutex */
CO_ABI void co_os_lock_destroy(struct co_os_lock *lock);
CO_ABI void co_os_lock_acquire(struct co_os_lock *lock); /* [sleep] */
CO_ABI void co_os_lock_release(struct co_os_lock *lock);

/* ---- eventfds ---------------------------------------------------------------------------- */

/* A reference to the event behind the caller's descriptor; NULL: not one. [sleep] */
CO_ABI struct co_os_event *co_os_event_get(co_s64 descriptor);
CO_ABI void co_os_event_put(struct co_os_event *event);
CO_ABI void co_os_event_signal(struct co_os_event *event); /* [atomic], [off] */
/* Call raised(context, number) [atomic] whenever the event is signalled, until unwatch (which waits). [sleep] */
CO_ABI struct co_os_watch *co_os_event_watch(co_s64 descriptor, CO_ABI void (*raised)(void *context, co_u32 number),
					     void *context, co_u32 number);
CO_ABI void co_os_event_unwatch(struct co_os_watch *watch);

/* ---- log --------------------------------------------------------------------------------- */

/* One line to the host's log, prefixed by the driver's name; a and b replace two %llx. Of many in a short time some are only
 * counted, and the log says how many. [atomic] */
CO_ABI void co_os_log(const char *format, co_u64 a, co_u64 b);

/* ======== what the glue calls in the core ================================================== */

struct co_driver_state { /* for the host's status files */
	co_u32 guests;
	co_u64 frames;
	co_u64 switches;
};

/* Once, at load. 0 or a CO_REFUSAL_* set. The driver loads even on an unfit machine (doctor asks it). [sleep] */
CO_ABI co_u32 co_core_start(co_u32 glue_refusals);
CO_ABI void co_core_stop(void);
CO_ABI void co_core_state(struct co_driver_state *state);

/* Requests. `argument` is a kernel copy of the ioctl's struct (in and out), NULL for CO_IO calls, whose plain
 * argument is `value`. Return >= 0 or -errno as in abi.h. For CO_CREATE_GUEST and CO_CREATE_VCPU a result of 0
 * means: make a file for *created. All [sleep]. */
CO_ABI co_s64 co_core_device_request(co_u32 code, void *argument, void **created);
CO_ABI co_s64 co_core_guest_request(void *guest, co_u32 code, void *argument, co_u64 value, void **created);
CO_ABI co_s64 co_core_vcpu_request(void *vcpu, co_u32 code, void *argument);
/* The file is gone. */
CO_ABI void co_core_guest_release(void *guest);
CO_ABI void co_core_vcpu_release(void *vcpu);
/* mmap: phys of the frame at byte `offset` of a guest fd / a vCPU fd; 0: nothing there. [sleep] */
CO_ABI co_u64 co_core_guest_frame(void *guest, co_u64 offset);
CO_ABI co_u64 co_core_vcpu_frame(void *vcpu, co_u64 offset);
/* The host's timer for hang detection: called every few ms [atomic] on some CPU while guests run; looks at the vCPU
 * on CPU `watched`. */
CO_ABI void co_core_watch_cpu(co_u32 watched);
/* The host goes down: every guest ends for that CO_KILL_*. Its vCPUs leave when their CPUs take the next interrupt. [sleep] */
CO_ABI void co_core_end_guests(co_u32 reason);
/* The host slept: each guest sets its clock. [sleep] */
CO_ABI void co_core_set_clocks(void);

#ifdef __cplusplus
}
#endif
#endif
