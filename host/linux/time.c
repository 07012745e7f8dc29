// SPDX-License-Identifier: GPL-2.0
/* Clocks and one-shot timers. */
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <asm/tsc.h>

#include <colinux/host_os.h>
#include "glue.h"

static unsigned int co_preempt_after_us;
module_param_named(preempt_after_us, co_preempt_after_us, uint, 0444);
MODULE_PARM_DESC(preempt_after_us, "microseconds for which a guest may keep the host's interrupts from a CPU; 0: 5000, or 1.25 ticks if that is longer");

struct co_os_timer {
	struct hrtimer timer;
	void (*expired)(void *context);
	void *context;
};

/* When the module was loaded. The guest's clock is the TSC at the frequency that we tell; the host's clock may be another
 * one, or the TSC at a frequency that was refined since. So the frequency is measured against the host's clock. */
static struct co_moment {
	u64 tsc, ns;
} co_start;

#define TRIES 100
#define MEASURE_NS NSEC_PER_SEC

/* Both clocks at once: the tightest of several tries. */
static struct co_moment co_now(void)
{
	struct co_moment best = { 0, 0 };
	u64 width = U64_MAX;
	int i;

	for (i = 0; i < TRIES; i++) {
		u64 before = rdtsc_ordered();
		u64 ns = ktime_get_ns();
		u64 after = rdtsc_ordered();

		if (after - before < width) {
			width = after - before;
			best = (struct co_moment){ before + (after - before) / 2, ns };
		}
	}
	return best;
}

void co_time_init(void)
{
	co_start = co_now();
}

co_u32 co_os_tsc_khz(void)
{
	struct co_moment now;

	if (!boot_cpu_has(X86_FEATURE_TSC))
		return 0;
	now = co_now();
	if (now.ns - co_start.ns < MEASURE_NS)
		return tsc_khz;
	return mul_u64_u64_div_u64(now.tsc - co_start.tsc, NSEC_PER_MSEC, now.ns - co_start.ns);
}

/*
 * Linux 6.1 also says so of every machine with several CPUs that promises nothing (no constant_tsc, not Intel's): that is no
 * finding, and those TSCs are good mostly. There the user's own word is not heard either; `colinux doctor` reads it.
 */
bool co_os_tsc_is_unstable(void)
{
	bool presumed = !boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && boot_cpu_data.x86_vendor != X86_VENDOR_INTEL && num_possible_cpus() > 1;

	return check_tsc_unstable() && !presumed;
}

co_u32 co_os_longest_stay_us(void)
{
	/* A guest with its interrupts on leaves at each tick of the host: less than a tick would suspect all of them */
	return co_preempt_after_us ?: max_t(u32, 5 * USEC_PER_MSEC, TICK_NSEC * 5 / 4 / NSEC_PER_USEC);
}

co_u64 co_os_wall_clock_ns(void)
{
	return ktime_get_real_ns();
}

static enum hrtimer_restart co_timer_expired(struct hrtimer *hrtimer)
{
	struct co_os_timer *timer = container_of(hrtimer, struct co_os_timer, timer);

	timer->expired(timer->context);
	return HRTIMER_NORESTART;
}

struct co_os_timer *co_os_timer_create(void (*expired)(void *context), void *context)
{
	struct co_os_timer *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return NULL;
	timer->expired = expired;
	timer->context = context;
	hrtimer_init(&timer->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer->timer.function = co_timer_expired;
	return timer;
}

void co_os_timer_destroy(struct co_os_timer *timer)
{
	hrtimer_cancel(&timer->timer);
	kfree(timer);
}

void co_os_timer_start(struct co_os_timer *timer, co_u64 delay_ns)
{
	hrtimer_start(&timer->timer, ns_to_ktime(delay_ns), HRTIMER_MODE_REL_PINNED_HARD);
}

void co_os_timer_stop(struct co_os_timer *timer)
{
	hrtimer_try_to_cancel(&timer->timer);
}
