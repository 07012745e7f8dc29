// SPDX-License-Identifier: GPL-2.0
/* For the guest: keeps one CPU busy with its interrupts off while it is loaded. how=spin: a loop, for `seconds` (0: for
 * ever). how=lock: waits for a spinlock that it holds itself. */
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <asm/tsc.h>

static char *how = "spin";
module_param(how, charp, 0);
static unsigned int seconds;
module_param(seconds, uint, 0);
static DEFINE_SPINLOCK(lock);

static noinline void hang_spin(void)
{
	u64 end = rdtsc() + (u64)seconds * tsc_khz * 1000;

	while (seconds == 0 || rdtsc() < end)
		cpu_relax();
}

static noinline void hang_lock(void)
{
	spin_lock(&lock);
	spin_lock(&lock);
}

static int __init hang_init(void)
{
	unsigned long flags;

	local_irq_save(flags);
	if (strcmp(how, "lock") == 0)
		hang_lock();
	else
		hang_spin();
	local_irq_restore(flags);
	return 0;
}
module_init(hang_init);

MODULE_DESCRIPTION("A guest CPU that hangs");
MODULE_LICENSE("GPL");
