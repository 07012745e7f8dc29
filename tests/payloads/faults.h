/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The faults that the payload `faults` injects into itself, one per guest, chosen by class and seed; run_faults runs it
 * again and again. A class names the outcomes that are right for it; `LETHAL` marks what the host is known not to
 * survive (docs/threat-model.md says why): such a class runs only when it is asked for by name.
 */
#ifndef COLINUX_PAYLOAD_FAULTS_H
#define COLINUX_PAYLOAD_FAULTS_H

#include "payload.h"

/* run_faults maps, beside the window, all of the guest's memory a second time, not executable; leaves the page below the
 * first stack out; and puts the page tables at the start of the second block. */
#define PAYLOAD_DIRECT_VIRT 0xffff888000000000ull
#define PAYLOAD_STACK_GUARD (CO_GRAFT_VIRT + PAYLOAD_STACK_PAGE * CO_PAGE_SIZE) /* below it */
#define PAYLOAD_BLOCKS 2
#define PAYLOAD_TABLES 12 /* pages, the last of them the passage window's */
#define PAYLOAD_PASSAGE_TABLE (CO_GRAFT_BYTES + (PAYLOAD_TABLES - 1) * CO_PAGE_SIZE)

/* CO_CALL_DEVICE with this for arg1: run_faults writes arg3 to offset arg2 of the guest's memory, as a misled device would */
#define PAYLOAD_DEVICE_WRITE 0x57726974

/* Outcomes */
#define WENT_ON 1 /* nothing noticed it: the guest powered itself off */
#define PANIC 2   /* the guest's own handler ended it */
#define KILLED 4  /* the driver ended it */
#define ENDED 8   /* it asked for another end, by chance */
#define STUCK 16  /* it never ended: run_faults closed it */
#define LETHAL 128

/*   name                vCPUs, right outcomes */
#define FAULT_CLASSES(X)                                                                                    \
	X(none, 1, WENT_ON)                                                                                 \
	X(write_null, 1, PANIC)                                                                             \
	X(write_noncanonical, 1, PANIC)                                                                     \
	X(write_unmapped, 1, PANIC)                                                                         \
	X(read_unmapped, 1, PANIC)                                                                          \
	X(write_memory, 1, WENT_ON | PANIC | KILLED | ENDED)                                                \
	X(write_graft_words, 1, WENT_ON | PANIC | KILLED | ENDED)                                           \
	X(write_msr_shadow, 1, WENT_ON | KILLED)                                                            \
	X(write_guest_state, 1, WENT_ON)                                                                    \
	X(write_switch_code, 1, PANIC)                                                                      \
	X(window_lost, 1, KILLED)                                                                           \
	X(write_gates, 1, WENT_ON | PANIC | STUCK)                                                          \
	X(jump_null, 1, PANIC)                                                                              \
	X(jump_noncanonical, 1, PANIC)                                                                      \
	X(jump_unmapped, 1, PANIC)                                                                          \
	X(jump_data, 1, PANIC)                                                                              \
	X(invalid_opcode, 1, PANIC)                                                                         \
	X(divide, 1, PANIC)                                                                                 \
	X(breakpoint, 1, PANIC)                                                                             \
	X(bad_selector, 1, PANIC)                                                                           \
	X(bad_return, 1, PANIC)                                                                             \
	X(stack_overflow, 1, PANIC)                                                                         \
	X(stack_lost, 1, PANIC)                                                                             \
	X(double_fault, 1, PANIC)                                                                           \
	X(idt_lost, 1, KILLED)                                                                              \
	X(gdt_lost, 1, KILLED)                                                                              \
	X(task_lost, 1, WENT_ON | KILLED)                                                                   \
	X(spin, 1, STUCK)                                                                                   \
	X(spin_all, 2, STUCK)                                                                               \
	X(halt_interrupts_off, 1, STUCK)                                                                    \
	X(halt_all, 2, STUCK)                                                                               \
	X(nmi_handler_spins, 1, STUCK)                                                                      \
	X(spin_for_lock, 2, STUCK)                                                                          \
	X(wait_for_lock, 2, STUCK)                                                                          \
	X(call_storm, 1, STUCK)                                                                             \
	X(garbage_calls, 1, WENT_ON | PANIC | KILLED | ENDED)                                               \
	X(garbage_last_call, 1, WENT_ON | KILLED | PANIC | ENDED)                                           \
	X(start_garbage, 2, WENT_ON)                                                                        \
	X(hostile_flags, 1, WENT_ON)                                                                        \
	X(hostile_control, 1, WENT_ON | PANIC)                                                              \
	X(breakpoints_in_passage, 1, WENT_ON)                                                               \
	X(write_driver_words, 1, WENT_ON | PANIC | KILLED | ENDED | STUCK | LETHAL)                         \
	X(write_page_tables, 1, WENT_ON | PANIC | KILLED | ENDED | STUCK | LETHAL)                          \
	X(write_descriptors, 1, WENT_ON | PANIC | KILLED | ENDED | STUCK | LETHAL)                          \
	X(write_own_image, 1, WENT_ON | PANIC | KILLED | ENDED | STUCK | LETHAL)                            \
	X(jump_own_text, 1, WENT_ON | PANIC | KILLED | ENDED | STUCK | LETHAL)                              \
	X(fault_without_idt, 1, PANIC | LETHAL)                                                             \
	X(nmi_handler_never_returns, 1, STUCK | LETHAL)                                                     \
	X(write_efer, 1, WENT_ON | PANIC | LETHAL)                                                          \
	X(gdt_unmapped, 1, PANIC | KILLED | LETHAL)                                                         \
	X(cr3_lost, 1, PANIC | KILLED | LETHAL)

enum fault_class {
#define FAULT_ENUM(name, vcpus, outcomes) FAULT_##name,
	FAULT_CLASSES(FAULT_ENUM)
#undef FAULT_ENUM
	FAULT_COUNT
};

/* payload_result.value[] */
#define FAULT_VALUE_CLASS 0 /* in */
#define FAULT_VALUE_STAGE 1 /* out: 1 = about to do it, 2 = it is done */
#define FAULT_VALUE_VECTOR 2 /* out: the exception that ended it, its error code and address */
#define FAULT_VALUE_ERROR 3
#define FAULT_VALUE_ADDRESS 4

#endif
