// SPDX-License-Identifier: GPL-2.0
/*
 * The host sleeps with guests alive. Their vCPUs are threads that the kernel freezes like any other, and their memory stays.
 * What may not stay is their clock: the TSC goes on in suspend-to-idle, but most CPUs lose it in S3 and all in hibernation.
 * Nothing could tell a running guest, so such a sleep is refused while there is one; at the last moment, where the kernel turns
 * back in order and all lighter kinds of sleep are past us.
 */
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/suspend.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include <colinux/abi.h>
#include <colinux/host_os.h>
#include "compat.h"
#include "glue.h"

static bool co_tsc_survives_sleep;
module_param_named(tsc_survives_sleep, co_tsc_survives_sleep, bool, 0644);
MODULE_PARM_DESC(tsc_survives_sleep, "the time stamp counter goes on in S3 and hibernation, as in some virtual machines: these are not refused while guests run");

static u64 co_tsc_at_sleep;
static bool co_tsc_restarted;

static int co_sleep_begins(void *unused)
{
	struct co_driver_state state;

	co_core_state(&state);
	if (state.guests && !boot_cpu_has(X86_FEATURE_NONSTOP_TSC_S3) && !READ_ONCE(co_tsc_survives_sleep)) {
		pr_err("colinux: no such sleep while guests run (%llu): the time stamp counter, their clock, would begin anew. Stop them, or sleep with: echo freeze >/sys/power/state\n",
		       (u64)state.guests);
		return -EBUSY;
	}
	co_tsc_at_sleep = rdtsc();
	return 0;
}

static void co_sleep_ends(void *unused)
{
	co_tsc_restarted = rdtsc() < co_tsc_at_sleep;
}

CO_SYSCORE(co_sleep, co_sleep_begins, co_sleep_ends);

/* The host's clock stood still or counted by the RTC's seconds: the guests', which went on, is not the host's any more */
static int co_sleep_event(struct notifier_block *block, unsigned long event, void *unused)
{
	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION && event != PM_POST_RESTORE)
		return NOTIFY_DONE;
	if (co_tsc_restarted)
		co_core_end_guests(CO_KILL_TSC_RESTARTED);
	else
		co_core_set_clocks();
	co_tsc_restarted = false;
	return NOTIFY_DONE;
}

static struct notifier_block co_sleep_block = { .notifier_call = co_sleep_event };

int co_sleep_init(void)
{
	int error = register_pm_notifier(&co_sleep_block);

	if (!error)
		co_register_syscore(&co_sleep);
	return error;
}

void co_sleep_exit(void)
{
	co_unregister_syscore(&co_sleep);
	unregister_pm_notifier(&co_sleep_block);
}
