// SPDX-License-Identifier: GPL-2.0
/*
 * A test module, for the lab only: while it is loaded it sends NMIs to one CPU, each as soon as the one before was
 * taken there (two that are pending would merge into one) and `pause_us` later. Its parameters tell: `sent` and
 * `handled` must be equal in the end and `lost` 0, wherever the NMIs landed.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#define LOST_AFTER_NS (100 * NSEC_PER_SEC) /* the CPU itself may stand still for seconds */

static int cpu = 1;
module_param(cpu, int, 0444);
static unsigned int pause_us;
module_param(pause_us, uint, 0444);
static ulong sent, handled, lost;
module_param(sent, ulong, 0444);
module_param(handled, ulong, 0444);
module_param(lost, ulong, 0444);

static atomic_t expected = ATOMIC_INIT(0);
static struct task_struct *sender;

static int take(unsigned int type, struct pt_regs *regs)
{
	if (raw_smp_processor_id() != cpu || !atomic_xchg(&expected, 0))
		return NMI_DONE;
	WRITE_ONCE(handled, handled + 1);
	return NMI_HANDLED;
}

static int send(void *unused)
{
	while (!kthread_should_stop() && !lost) {
		ktime_t deadline = ktime_add_ns(ktime_get(), LOST_AFTER_NS);

		atomic_set(&expected, 1);
		sent++;
		apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
		while (atomic_read(&expected) && ktime_before(ktime_get(), deadline))
			cond_resched();
		lost += atomic_xchg(&expected, 0);
		if (pause_us)
			udelay(pause_us);
		cond_resched();
	}
	while (!kthread_should_stop()) /* one lost is enough */
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static int __init nmi_sender_init(void)
{
	int error = register_nmi_handler(NMI_LOCAL, take, 0, "nmi_sender");

	if (error)
		return error;
	sender = kthread_create(send, NULL, "nmi_sender");
	if (IS_ERR(sender)) {
		unregister_nmi_handler(NMI_LOCAL, "nmi_sender");
		return PTR_ERR(sender);
	}
	kthread_bind(sender, cpu ? 0 : 1);
	wake_up_process(sender);
	return 0;
}

static void __exit nmi_sender_exit(void)
{
	kthread_stop(sender);
	unregister_nmi_handler(NMI_LOCAL, "nmi_sender");
	pr_info("nmi_sender: sent %lu handled %lu lost %lu\n", sent, handled, lost);
}

module_init(nmi_sender_init);
module_exit(nmi_sender_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("sends NMIs to a CPU that runs a guest (test)");
