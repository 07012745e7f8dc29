/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place that knows how kernel versions differ (6.1 to 6.12). Everything else in this folder is
 * written against the newest interface.
 */
#ifndef COLINUX_LINUX_COMPAT_H
#define COLINUX_LINUX_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/syscore_ops.h>
#include <linux/version.h>

/* The NMI entry that works with whatever stack and NMI mask it finds; made for KVM. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
extern asmlinkage void asm_exc_nmi_kvm_vmx(void);
#define co_nmi_entry asm_exc_nmi_kvm_vmx
#else
extern asmlinkage void asm_exc_nmi_noist(void);
#define co_nmi_entry asm_exc_nmi_noist
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* Does somebody else want this CPU? The lazy kind of need (6.13 on, RT before) waits for user space, which a guest counts as. */
static inline bool co_need_resched(void)
{
#ifdef TIF_NEED_RESCHED_LAZY
	if (test_thread_flag(TIF_NEED_RESCHED_LAZY))
		return true;
#endif
	return need_resched();
}

/* What the last CPU does before the machine sleeps and when it wakes: suspend(void *), resume(void *) */
#ifdef CO_SYSCORE_HAS_DATA
#define CO_SYSCORE(name, suspends, resumes) \
	static const struct syscore_ops name##_ops = { .suspend = suspends, .resume = resumes }; \
	static struct syscore name = { .ops = &name##_ops }
#define co_register_syscore register_syscore
#define co_unregister_syscore unregister_syscore
#else
#define CO_SYSCORE(name, suspends, resumes) \
	static int name##_suspends(void) { return suspends(NULL); } \
	static void name##_resumes(void) { resumes(NULL); } \
	static struct syscore_ops name = { .suspend = name##_suspends, .resume = name##_resumes }
#define co_register_syscore register_syscore_ops
#define co_unregister_syscore unregister_syscore_ops
#endif

static inline int co_alloc_contig_range(unsigned long start, unsigned long end)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	return alloc_contig_range(start, end, ACR_FLAGS_NONE, GFP_USER | __GFP_NOWARN);
#else
	return alloc_contig_range(start, end, MIGRATE_MOVABLE, GFP_USER | __GFP_NOWARN);
#endif
}

static inline void co_eventfd_signal(struct eventfd_ctx *context)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(context);
#else
	eventfd_signal(context, 1);
#endif
}

#endif
