// SPDX-License-Identifier: GPL-2.0
/*
 * This CPU: interrupts off and on, handing over interrupts and NMIs that arrived while the guest ran, kicks,
 * and when the host wants its CPU back. See host_os.h for the contracts.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/nmi.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>
#include <asm/apic.h>
#include <asm/desc.h>
#include <asm/irq_vectors.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/nmi.h>

#include <colinux/host_os.h>
#include "compat.h"
#include "glue.h"

asmlinkage void co_enter_handler(unsigned long entry);

/* While it is positive, an NMI that nobody else claims is one of ours. Several may be on their way at once, latched or
 * merged, so they cannot be counted; nor does time tell, since a virtual CPU may be off its real one for seconds. But
 * an NMI comes before any interrupt that is sent later. So it counts the timer interrupts that this CPU has yet to take:
 * one may have been on its way already when we sent the NMI, the next one proves that the NMI has been here. */
#define NMI_OUTLASTS 2
static DEFINE_PER_CPU(atomic_t, co_nmi_awaited);

void co_os_interrupts_off(void)
{
	local_irq_disable();
}

void co_os_interrupts_on(void)
{
	local_irq_enable();
}

co_u32 co_os_cpu(void)
{
	return raw_smp_processor_id();
}

void co_os_take_interrupt(co_u32 vector)
{
	struct desc_ptr idt;

	store_idt(&idt);
	co_enter_handler(gate_offset((gate_desc *)idt.address + vector));
}

static u32 in_service(unsigned int word) /* SDM Vol. 3, 10.8.4: 8 registers, 16 bytes apart */
{
	return apic->read(APIC_ISR + 0x10 * word);
}

co_u32 co_os_vector_in_service(void)
{
	int word;

	for (word = 7; word >= 0; word--) {
		u32 bits = in_service(word);

		if (bits)
			return 32 * word + __fls(bits);
	}
	return 0;
}

static bool pic_is_used(void)
{
	return (apic->read(APIC_LVT0) & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

CO_BOOL co_os_vector_is_due(co_u32 vector)
{
	if (in_service(vector / 32) & BIT(vector % 32))
		return true;
	switch (vector) { /* these come without a note in the APIC; and none of their handlers stops a CPU */
	case ISA_IRQ_VECTOR(0) ... ISA_IRQ_VECTOR(15):
		return pic_is_used();
	case HYPERVISOR_CALLBACK_VECTOR: /* Xen; Hyper-V, which says EOI itself */
#if IS_ENABLED(CONFIG_HYPERV)
	case HYPERV_REENLIGHTENMENT_VECTOR:
	case HYPERV_STIMER0_VECTOR:
#endif
	case SPURIOUS_APIC_VECTOR:
		return true;
	}
	return false;
}

void co_os_take_nmi(void)
{
	co_enter_handler((unsigned long)co_nmi_entry);
}

void co_os_take_machine_check(void)
{
	u64 status;

	/* The guest says so, or its memory does. When it is not true the kernel panics over an unknown source. */
	if (rdmsrl_safe(MSR_IA32_MCG_STATUS, &status) || !(status & MCG_STATUS_MCIP))
		return;
	asm volatile("int $18" : : : "memory");
}

void co_os_kick_cpu(co_u32 cpu)
{
	preempt_disable(); /* it cannot go offline before the interrupt is sent; it may have before */
	if (cpu_online(cpu))
		smp_send_reschedule(cpu);
	preempt_enable();
}

void co_os_send_nmi(co_u32 cpu)
{
	atomic_set(&per_cpu(co_nmi_awaited, cpu), NMI_OUTLASTS);
	apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
}

static int co_nmi_handler(unsigned int type, struct pt_regs *regs)
{
	return atomic_read(this_cpu_ptr(&co_nmi_awaited)) > 0 ? NMI_HANDLED : NMI_DONE;
}

void co_nmi_awaited_less(void)
{
	atomic_dec_if_positive(this_cpu_ptr(&co_nmi_awaited));
}

static void co_nmi_none_here(void *unused)
{
	atomic_set(this_cpu_ptr(&co_nmi_awaited), 0);
}

void co_nmi_awaited_none(void)
{
	int cpu;

	on_each_cpu(co_nmi_none_here, NULL, 1); /* an interrupt: what was sent there before has come */
	for_each_possible_cpu(cpu) /* and those that are offline get none */
		atomic_set(&per_cpu(co_nmi_awaited, cpu), 0);
}

int co_cpu_init(void)
{
	return register_nmi_handler(NMI_UNKNOWN, co_nmi_handler, 0, "colinux");
}

void co_cpu_exit(void)
{
	unregister_nmi_handler(NMI_UNKNOWN, "colinux");
}

CO_BOOL co_os_interrupted(void)
{
	return signal_pending(current);
}

#define CO_RETURN_WORK (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NOTIFY_RESUME)

CO_BOOL co_os_must_return(void)
{
	return READ_ONCE(current_thread_info()->flags) & CO_RETURN_WORK;
}

/* On the path of every crossing: one look at the flags */
CO_BOOL co_os_must_yield(void)
{
	return co_need_resched() || co_os_must_return();
}

CO_BOOL co_os_msrs_are_lent(void)
{
	return test_thread_flag(TIF_USER_RETURN_NOTIFY);
}

#define PAUSE_NS (50 * NSEC_PER_USEC)

void co_os_pause(void)
{
	ktime_t pause = ns_to_ktime(PAUSE_NS);

	set_current_state(TASK_INTERRUPTIBLE);
	schedule_hrtimeout_range(&pause, PAUSE_NS / 4, HRTIMER_MODE_REL);
}

co_u32 co_os_online_cpus(void)
{
	return num_online_cpus();
}

void co_os_yield(CO_BOOL eager)
{
	/* Nobody to pause for, not even another vCPU of the guest: whom it waits for runs elsewhere */
	if (!eager || single_task_running()) {
		/* Not cond_resched(): it does nothing where the kernel preempts itself (preempt=full, lazy, RT). But the host's
		 * handlers, which we call with interrupts off, do not reschedule on their way out. */
		if (co_need_resched())
			schedule();
		return;
	}
	/* Not yield(): since 6.6 each call moves the caller's deadline back, and one that yields often then starves
	 * for seconds while others are runnable. */
	co_os_pause();
}

co_u64 co_os_waited_ns(void)
{
	return current->sched_info.run_delay;
}

void co_os_note_guest(void)
{
	rcu_note_context_switch(false);
}
