// SPDX-License-Identifier: GPL-2.0
/*
 * The slow paths of the kernel's queued rwlocks (tasklist_lock is the one that matters), which the loader makes
 * the kernel's own lead to: the same algorithm on the same words (kernel/locking/qrwlock.c), but waiting
 * gives the CPU back now and then. Not on PREEMPT_RT, whose rwlocks sleep.
 */
#include <linux/kconfig.h>
#ifdef CONFIG_QUEUED_RWLOCKS
#include <linux/atomic.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#include "graft.h"

#define SPINS_PER_YIELD 0x200

void co_queued_read_lock(struct qrwlock *lock);
void co_queued_write_lock(struct qrwlock *lock);

static void relax(unsigned int *spins)
{
	cpu_relax();
	if (++*spins % SPINS_PER_YIELD == 0 && !in_nmi())
		co_call(CO_CALL_YIELD, 0, 0, 0, 0);
}

static void wait_for_writer(struct qrwlock *lock)
{
	unsigned int spins = 0;

	while (atomic_read_acquire(&lock->cnts) & _QW_LOCKED)
		relax(&spins);
}

void co_queued_read_lock(struct qrwlock *lock)
{
	if (in_interrupt()) { /* must not wait behind writers that wait */
		wait_for_writer(lock);
		return;
	}
	atomic_sub(_QR_BIAS, &lock->cnts);
	arch_spin_lock(&lock->wait_lock);
	atomic_add(_QR_BIAS, &lock->cnts);
	wait_for_writer(lock);
	arch_spin_unlock(&lock->wait_lock);
}

void co_queued_write_lock(struct qrwlock *lock)
{
	unsigned int spins = 0;
	int counts;

	arch_spin_lock(&lock->wait_lock);
	counts = atomic_read(&lock->cnts);
	if (counts == 0 && atomic_try_cmpxchg_acquire(&lock->cnts, &counts, _QW_LOCKED))
		goto unlock;
	atomic_or(_QW_WAITING, &lock->cnts);
	for (;;) {
		counts = _QW_WAITING;
		if (atomic_read(&lock->cnts) == counts && atomic_try_cmpxchg_acquire(&lock->cnts, &counts, _QW_LOCKED))
			break;
		relax(&spins);
	}
unlock:
	arch_spin_unlock(&lock->wait_lock);
}
#endif
