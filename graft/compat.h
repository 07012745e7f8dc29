/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything in which the guest kernels from 6.1 to 6.12 differ for the graft, and nothing else does: no
 * other file of the graft looks at the version. Each entry names the kernel that changed it.
 */
#ifndef COLINUX_GRAFT_COMPAT_H
#define COLINUX_GRAFT_COMPAT_H

#include <linux/version.h>
#include <linux/static_call.h>
#include <linux/virtio_config.h>
#include <asm/apic.h>
#include <asm/processor.h>
#include <asm/x86_init.h>

#define CO_SINCE(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

/* 6.3: arch_cpu_idle() returns with interrupts off */
#define CO_IDLE_RETURNS_WITH_INTERRUPTS_OFF CO_SINCE(6, 3)

/* 6.4: the idle routine is a static call instead of a pointer */
#if CO_SINCE(6, 4)
DECLARE_STATIC_CALL(x86_idle, default_idle);
#define co_set_idle(function) static_call_update(x86_idle, function)
#else
extern void (*x86_idle)(void);
#define co_set_idle(function) (x86_idle = (function))
#endif

/* 6.5: the second CR4 write of head_64.S no longer derives from what CR4 holds; CPUs may start in parallel */
#if CO_SINCE(6, 5)
#define CO_STARTUP_CR4_WRITES 2
#define co_forbid_parallel_start() (x86_cpuinit.parallel_bringup = false)
#else
#define CO_STARTUP_CR4_WRITES 1
#define co_forbid_parallel_start() do { } while (0)
#endif

/* 6.5: kernel/cpu.c brings CPUs up in step: a new one spins in cpuhp_ap_sync_alive(); before, in wait_for_master_cpu() */
#define CO_BRINGUP_IN_STEP CO_SINCE(6, 5)

/* 6.6: struct apic has fewer members and an unsigned APIC id */
#if CO_SINCE(6, 6)
#define CO_APIC_HAS_PACKAGE_ID 0
typedef u32 co_apic_id;
typedef u32 co_apic_register;
#else
#define CO_APIC_HAS_PACKAGE_ID 1
typedef int co_apic_id;
typedef unsigned long co_apic_register;
#endif

/* 6.6: characters in tty_operations became u8, sizes size_t */
#if CO_SINCE(6, 6)
typedef ssize_t co_tty_result;
typedef size_t co_tty_count;
#else
typedef int co_tty_result;
typedef int co_tty_count;
#endif

/* 6.8: sizes in hv_ops became size_t */
#if CO_SINCE(6, 8)
typedef ssize_t co_hvc_result;
typedef size_t co_hvc_count;
typedef u8 co_hvc_char;
#else
typedef int co_hvc_result;
typedef int co_hvc_count;
typedef char co_hvc_char;
#endif

/* 6.9: CPUs are registered with the topology code; the hooks of x86_init.mpparse were renamed */
#define CO_TOPOLOGY_REGISTERS_APICS CO_SINCE(6, 9)

/* 6.11: what a driver says about its virtqueues comes in one array */
#if CO_SINCE(6, 11)
#define CO_VQS_PARAMETERS struct virtqueue_info infos[], struct irq_affinity *affinity
#define co_vq_name(i) (infos[i].name)
#define co_vq_callback(i) (infos[i].callback)
#define co_vq_context(i) (infos[i].ctx)
#else
#define CO_VQS_PARAMETERS vq_callback_t *callbacks[], const char *const names[], const bool *contexts, \
			  struct irq_affinity *affinity
#define co_vq_name(i) (names[i])
#define co_vq_callback(i) (callbacks[i])
#define co_vq_context(i) (contexts ? contexts[i] : false)
#endif

/* 6.2: a CPU that comes up no longer loads GS, which clears its base, before it writes the base anew; current moved to pcpu_hot */
#define CO_CLEARS_GS_BASE !CO_SINCE(6, 2)
#if CO_SINCE(6, 2)
#define co_task_of_cpu(cpu) per_cpu(pcpu_hot.current_task, cpu)
#else
#define co_task_of_cpu(cpu) per_cpu(current_task, cpu)
#endif

/* 6.2: a CPU that comes up no longer loads GS, which clears its base, before it writes the base anew */
#define CO_CLEARS_GS_BASE !CO_SINCE(6, 2)

#endif
