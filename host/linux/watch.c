// SPDX-License-Identifier: GPL-2.0
/*
 * The watch over CPUs that a guest does not give back, while guests exist: each CPU has a timer that looks at its
 * neighbour in a ring and, in the end, sends an NMI there.
 *
 * A CPU that comes online joins the ring before any task runs on it. One that goes offline leaves it as soon as its tasks
 * have to go elsewhere: none enters a guest there any more. Not when it is dead, since it dies in stop_machine(), for which
 * every other CPU must come out of its guest: each must have a neighbour that looks.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include <colinux/host_os.h>
#include "glue.h"

#define WATCH_PERIOD_NS (5 * NSEC_PER_MSEC)

static DEFINE_PER_CPU(struct hrtimer, co_watch_timer);
static struct cpumask co_watch_ring;
static int co_watch_state; /* of the kernel's CPU hotplug */

static enum hrtimer_restart co_watch_expired(struct hrtimer *timer)
{
	unsigned int next = cpumask_next(smp_processor_id(), &co_watch_ring);

	co_nmi_awaited_less();
	if (next >= nr_cpu_ids)
		next = cpumask_first(&co_watch_ring);
	if (next < nr_cpu_ids && next != smp_processor_id())
		co_core_watch_cpu(next);
	hrtimer_forward_now(timer, ns_to_ktime(WATCH_PERIOD_NS));
	return HRTIMER_RESTART;
}

static void co_watch_start_here(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&co_watch_timer);

	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->function = co_watch_expired;
	hrtimer_start(timer, ns_to_ktime(WATCH_PERIOD_NS), HRTIMER_MODE_REL_PINNED_HARD);
	cpumask_set_cpu(smp_processor_id(), &co_watch_ring);
}

static void co_watch_stop_here(void *unused)
{
	cpumask_clear_cpu(smp_processor_id(), &co_watch_ring);
	hrtimer_cancel(this_cpu_ptr(&co_watch_timer)); /* not running: we are on its CPU */
}

/* Both on that CPU */
static int co_watch_cpu_online(unsigned int cpu)
{
	co_watch_start_here(NULL);
	return 0;
}

static int co_watch_cpu_offline(unsigned int cpu)
{
	co_watch_stop_here(NULL);
	return 0;
}

int co_watch_start(void)
{
	int state;

	cpus_read_lock();
	state = cpuhp_setup_state_nocalls_cpuslocked(CPUHP_AP_ONLINE_DYN, "colinux/watch:online", co_watch_cpu_online, co_watch_cpu_offline);
	if (state >= 0) {
		co_watch_state = state;
		on_each_cpu(co_watch_start_here, NULL, 1);
	}
	cpus_read_unlock();
	return state < 0 ? state : 0;
}

void co_watch_stop(void)
{
	cpus_read_lock();
	cpuhp_remove_state_nocalls_cpuslocked(co_watch_state);
	on_each_cpu(co_watch_stop_here, NULL, 1);
	cpus_read_unlock();
	co_nmi_awaited_none();
}
