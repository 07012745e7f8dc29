// SPDX-License-Identifier: GPL-2.0
/* Sleeping vCPUs, mutexes, the log. */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <colinux/host_os.h>
#include "glue.h"

struct co_os_waiter {
	wait_queue_head_t queue;
};

struct co_os_lock {
	struct mutex mutex;
};

struct co_os_waiter *co_os_waiter_create(void)
{
	struct co_os_waiter *waiter = kzalloc(sizeof(*waiter), GFP_KERNEL);

	if (waiter)
		init_waitqueue_head(&waiter->queue);
	return waiter;
}

void co_os_waiter_destroy(struct co_os_waiter *waiter)
{
	kfree(waiter);
}

void co_os_wait(struct co_os_waiter *waiter, bool (*ready)(void *context), void *context)
{
	wait_event_interruptible(waiter->queue, ready(context) || co_os_must_return());
}

void co_os_wake(struct co_os_waiter *waiter)
{
	wake_up(&waiter->queue);
}

struct co_os_lock *co_os_lock_create(void)
{
	struct co_os_lock *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	if (lock)
		mutex_init(&lock->mutex);
	return lock;
}

void co_os_lock_destroy(struct co_os_lock *lock)
{
	mutex_destroy(&lock->mutex);
	kfree(lock);
}

void co_os_lock_acquire(struct co_os_lock *lock)
{
	mutex_lock(&lock->mutex);
}

void co_os_lock_release(struct co_os_lock *lock)
{
	mutex_unlock(&lock->mutex);
}

/* Guests say what is logged, as often as they like */
#define LOG_LINES 10
#define LOG_PERIOD (5 * HZ)
static struct ratelimit_state co_log_limit = RATELIMIT_STATE_INIT_FLAGS(co_log_limit, LOG_PERIOD, LOG_LINES, RATELIMIT_MSG_ON_RELEASE);
static atomic_t co_log_suppressed;

static void tell_suppressed(void)
{
	unsigned int count = atomic_xchg(&co_log_suppressed, 0);

	if (count)
		pr_info("colinux: %u lines of guests were suppressed\n", count);
}

void co_log_exit(void)
{
	tell_suppressed();
}

void co_os_log(const char *format, co_u64 a, co_u64 b)
{
	char line[160];

	if (!__ratelimit(&co_log_limit)) {
		atomic_inc(&co_log_suppressed);
		return;
	}
	tell_suppressed();
	snprintf(line, sizeof(line), format, a, b);
	pr_info("colinux: %s\n", line);
}
