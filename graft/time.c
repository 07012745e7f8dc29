// SPDX-License-Identifier: GPL-2.0
/*
 * Time. The TSC is the guest's clock, with the host's frequency; reading it never leaves the guest. Each
 * CPU has one event device: one interrupt at an absolute TSC value, which the host finds in the passage page;
 * it is called only when it would look there too late (core/guest_timer.hpp has the other half).
 */
#include <linux/clockchips.h>
#include <linux/math64.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>
#include <asm/cpufeature.h>
#include <asm/paravirt.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "graft.h"

#define MIN_DELTA_TICKS 1000
#define MAX_DELTA_TICKS 0x7fffffffffffull
#define CLOCK_TRIES 50
#define CLOCK_TOLERANCE_NS (100 * NSEC_PER_USEC)
#define SLACK_DIVISOR 200 /* of a millisecond: 5 us */

extern __u32 cpu_caps_set[];

static struct clock_event_device events[CO_MAX_VCPUS];

static unsigned long tsc_khz_of_host(void)
{
	return co_boot_info.tsc_khz;
}

static void get_wallclock(struct timespec64 *now)
{
	unsigned long interrupt_flag = native_save_fl() & X86_EFLAGS_IF;
	u64 nanoseconds, then;

	native_irq_disable();
	nanoseconds = co_call_interrupts_off(CO_CALL_CLOCK, 0, 0);
	then = co_this_passage()->mailbox.result[1];
	nanoseconds += mul_u64_u64_div_u64(rdtsc() - then, NSEC_PER_MSEC, co_boot_info.tsc_khz);
	if (interrupt_flag)
		native_irq_enable();
	*now = ns_to_timespec64(nanoseconds);
}

/*
 * Before the TSC became the kernel's clock, time stood still: what was read at its start is old by then. Between a look at
 * the host's clock and the setting of ours this CPU may be away for milliseconds (another task of the host, or a real CPU
 * that its hypervisor took away), so look again, and repeat it until both agree. The look may be late itself: never for ever.
 */
void co_set_clock(void)
{
	int tries;

	for (tries = 0; tries < CLOCK_TRIES; tries++) {
		struct timespec64 host, ours;
		s64 off;

		get_wallclock(&host);
		do_settimeofday64(&host);
		get_wallclock(&host);
		ktime_get_real_ts64(&ours);
		off = timespec64_to_ns(&ours) - timespec64_to_ns(&host);
		if (off > -CLOCK_TOLERANCE_NS && off < CLOCK_TOLERANCE_NS)
			return;
	}
}

static void set_clock(struct work_struct *work)
{
	co_set_clock();
}

static DECLARE_WORK(clock_work, set_clock);

void co_clock_stepped(void)
{
	if (system_state == SYSTEM_RUNNING) /* else it is still to be set */
		schedule_work(&clock_work);
}

static int set_wallclock(const struct timespec64 *now)
{
	return -ENODEV; /* the host's clock is not the guest's to set */
}

/* The host looks at the deadline by itself when it is armed for that time or an earlier one */
static void want_event(struct co_passage *passage, u64 deadline)
{
	u64 armed;

	WRITE_ONCE(passage->timer_deadline, deadline);
	armed = READ_ONCE(passage->timer_armed);
	if (armed == 0 || armed > deadline + passage->timer_slack)
		co_call(CO_CALL_SET_TIMER, deadline, 0, 0, 0);
}

static int set_next_event(unsigned long ticks, struct clock_event_device *device)
{
	want_event(co_this_passage(), rdtsc() + ticks);
	return 0;
}

static int stop_event(struct clock_event_device *device)
{
	WRITE_ONCE(co_this_passage()->timer_deadline, 0);
	return 0;
}

void co_timer_event(void)
{
	struct clock_event_device *device = &events[raw_smp_processor_id()];
	struct co_passage *passage = co_this_passage();
	u64 deadline = READ_ONCE(passage->timer_deadline);

	if (deadline > rdtsc()) { /* the host expected another one */
		want_event(passage, deadline);
		return;
	}
	WRITE_ONCE(passage->timer_deadline, 0);
	if (device->event_handler)
		device->event_handler(device);
}

static void start_event_device(void)
{
	unsigned int cpu = raw_smp_processor_id();
	struct clock_event_device *device = &events[cpu];

	co_this_passage()->timer_slack = co_boot_info.tsc_khz / SLACK_DIVISOR;
	device->name = "colinux";
	device->features = CLOCK_EVT_FEAT_ONESHOT;
	device->rating = 400;
	device->cpumask = cpumask_of(cpu);
	device->set_next_event = set_next_event;
	device->set_state_shutdown = stop_event;
	device->set_state_oneshot_stopped = stop_event;
	clockevents_config_and_register(device, co_boot_info.tsc_khz * 1000, MIN_DELTA_TICKS, MAX_DELTA_TICKS);
}

/* What the host gave to others although this CPU had work: `steal` in /proc/stat */
static u64 steal_clock(int cpu)
{
	return READ_ONCE(co_passage_of(cpu)->stolen_ns);
}

void co_count_stolen_time(void)
{
	static_call_update(pv_steal_clock, steal_clock);
	static_key_slow_inc(&paravirt_steal_enabled);
}

void co_time_init(void)
{
	setup_force_cpu_cap(X86_FEATURE_CONSTANT_TSC);
	setup_force_cpu_cap(X86_FEATURE_NONSTOP_TSC);
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	x86_platform.calibrate_cpu = tsc_khz_of_host;
	x86_platform.calibrate_tsc = tsc_khz_of_host;
	x86_platform.get_wallclock = get_wallclock;
	x86_platform.set_wallclock = set_wallclock;
	x86_init.timers.wallclock_init = x86_init_noop;
	x86_init.timers.timer_init = start_event_device;
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_cpuinit.setup_percpu_clockev = start_event_device;
}
