// SPDX-License-Identifier: GPL-2.0
/*
 * How the guest ends: each way is one call that does not return. Nothing here touches a reset register, a power
 * management port or another CPU. A kexec would overwrite the graft: refused. So is sleep, from which nothing would wake it.
 */
#include <linux/console.h>
#include <linux/kernel.h>
#include <linux/kexec.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/pm.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>
#include <asm/irqflags.h>
#include <asm/ptrace.h>
#include <asm/reboot.h>

#include "graft.h"

extern int kexec_load_disabled_flag asm("kexec_load_disabled") __weak;
extern const char *pm_states[PM_SUSPEND_MAX] __weak; /* what /sys/power/state shows and takes; hibernation: nohibernate */

void co_halt(void);

static char panic_text[512];

static void power_off(void)
{
	co_end(CO_CALL_POWER_OFF, 0, 0);
}

static void halt_guest(void)
{
	co_end(CO_CALL_HALT, 0, 0);
}

/* pv_ops.irq.halt, from the first instruction on: how a kernel ends that has met an exception too early to say so */
void co_halt(void)
{
	if (!(native_save_fl() & X86_EFLAGS_IF))
		halt_guest();
	native_halt();
}

static void restart(char *command)
{
	co_end(CO_CALL_REBOOT, 0, 0);
}

static void emergency_restart_now(void)
{
	co_end(CO_CALL_REBOOT, 0, 0);
}

static void no_shutdown(void)
{
}

static void no_crash_shutdown(struct pt_regs *regs)
{
}

static int panicked(struct notifier_block *block, unsigned long event, void *text)
{
	strscpy(panic_text, text, sizeof(panic_text));
	console_flush_on_panic(CONSOLE_FLUSH_PENDING);
	co_end(CO_CALL_PANIC, co_graft_phys(panic_text), sizeof(panic_text));
}

static struct notifier_block panic_block = {
	.notifier_call = panicked,
	.priority = INT_MIN, /* after everybody who wants to say something */
};

static void stop_in_order(struct work_struct *work)
{
	orderly_poweroff(true);
}

static DECLARE_WORK(stop_work, stop_in_order);

/*
 * Before there is an init nobody can shut down in order, and to be powered off by force in the middle of setting itself up can
 * lock the kernel up: the host asks again.
 */
void co_orderly_stop(void)
{
	if (system_state == SYSTEM_RUNNING)
		schedule_work(&stop_work);
}

/* After the kernel has filled its list of states */
void co_refuse_sleep(void)
{
	int state;

	for (state = 0; pm_states && state < PM_SUSPEND_MAX; state++)
		pm_states[state] = NULL;
}

void co_shutdown_init(void)
{
	machine_ops.power_off = power_off;
	machine_ops.halt = halt_guest;
	machine_ops.restart = restart;
	machine_ops.emergency_restart = emergency_restart_now;
	machine_ops.shutdown = no_shutdown;
	machine_ops.crash_shutdown = no_crash_shutdown;
	pm_power_off = power_off;
	if (&kexec_load_disabled_flag)
		kexec_load_disabled_flag = 1;
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
}
