// SPDX-License-Identifier: GPL-2.0
/*
 * The console ring: text to the daemon and typed characters from it, in shared memory, from the guest's first
 * line on. One producer at a time, under a lock that also works before the kernel's are set up and gives up
 * in NMI context. The early console writes through it until hvc0 (console.c) takes over.
 *
 * When the daemon hears of new text: at once where the console was quiet before, when the ring becomes half full,
 * and with each line while the kernel boots or dies; else with the next tick. So a prompt appears immediately, and
 * a flood costs one doorbell per tick instead of one per line.
 */
#include <linux/console.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "graft.h"

#define PAUSES_WHEN_FULL 100000 /* of at least 50 us */

static DEFINE_RAW_SPINLOCK(lock);
static struct co_console_ring *ring;

static unsigned long last_doorbell; /* in jiffies */

static void ring_doorbell(void)
{
	WRITE_ONCE(last_doorbell, jiffies);
	co_call(CO_CALL_DOORBELL, CO_DOORBELL_CONSOLE, 0, 0, 0);
}

static void tick_came(struct irq_work *work)
{
	ring_doorbell();
}

/* Lazy: runs with the next tick, and keeps a CPU that becomes idle from stopping it. Any context may queue it, so may
 * printk(). */
static struct irq_work at_next_tick = IRQ_WORK_INIT_LAZY(tick_came);

static bool must_not_wait(const char *text, u32 count, bool half_full)
{
	if (half_full)
		return true;
	if (oops_in_progress || system_state < SYSTEM_RUNNING)
		return memchr(text, '\n', count);
	return time_after(jiffies, READ_ONCE(last_doorbell) + 1);
}

static u32 put(const char *text, u32 count, bool *becomes_half_full)
{
	u64 head = ring->head;
	u32 used = head - READ_ONCE(ring->tail), start = head & (ring->size - 1), piece;

	count = used > ring->size ? 0 : min(count, ring->size - used);
	piece = min(count, ring->size - start);
	memcpy(ring->data + start, text, piece);
	memcpy(ring->data, text + piece, count - piece);
	smp_store_release(&ring->head, head + count);
	*becomes_half_full = used < ring->size / 2 && used + count >= ring->size / 2;
	return count;
}

/* How many fitted. */
u32 co_ring_write(const char *text, u32 count)
{
	unsigned long flags;
	bool half_full;
	u32 done;

	if (!ring)
		return count;
	if (in_nmi()) {
		if (!raw_spin_trylock_irqsave(&lock, flags))
			return 0;
	} else {
		raw_spin_lock_irqsave(&lock, flags);
	}
	done = put(text, count, &half_full);
	raw_spin_unlock_irqrestore(&lock, flags);
	if (!done || in_nmi())
		return done;
	if (must_not_wait(text, done, half_full))
		ring_doorbell();
	else if (system_state >= SYSTEM_RUNNING)
		irq_work_queue(&at_next_tick);
	return done;
}

/* One consumer: hvc0's, under its lock */
u32 co_ring_read(char *text, u32 count, char doubled)
{
	const char *input = (const char *)ring + ring->input_offset;
	u64 tail = ring->input_tail;
	u32 available = smp_load_acquire(&ring->input_head) - tail, taken = 0, done = 0;

	if (available > ring->input_size)
		available = 0;
	while (taken < available && done < count) {
		char key = input[(tail + taken) & (ring->input_size - 1)];

		if (doubled && key == doubled) {
			if (done + 2 > count)
				break;
			text[done++] = key;
		}
		text[done++] = key;
		taken++;
	}
	smp_store_release(&ring->input_tail, tail + taken);
	return done;
}

/* The terminal's present size; true when it is another than at the last call */
bool co_ring_size_changed(u16 *rows, u16 *columns)
{
	static u16 last_rows, last_columns;

	*rows = READ_ONCE(ring->rows);
	*columns = READ_ONCE(ring->columns);
	if (*rows == last_rows && *columns == last_columns)
		return false;
	last_rows = *rows;
	last_columns = *columns;
	return true;
}

/* The ring may be full: give the daemon time to read. It may be off its CPU for long; only when it reads nothing at all it is gone */
static void write_line_part(const char *text, u32 count)
{
	u32 done = co_ring_write(text, count), tries;

	for (tries = 0; done < count && tries < PAUSES_WHEN_FULL && !in_nmi(); tries++) {
		u32 more;

		co_call(CO_CALL_YIELD, 1, 0, 0, 0);
		more = co_ring_write(text + done, count - done);
		done += more;
		if (more)
			tries = 0;
	}
	if (done < count)
		ring->dropped += count - done;
}

static void early_write(struct console *console, const char *text, unsigned int count)
{
	unsigned int start = 0, i;

	for (i = 0; i < count; i++) {
		if (text[i] != '\n')
			continue;
		write_line_part(text + start, i - start);
		write_line_part("\r\n", 2);
		start = i + 1;
	}
	if (start < count)
		write_line_part(text + start, count - start);
}

static struct console early_console_of_ring = {
	.name = "cocon",
	.write = early_write,
	.flags = CON_PRINTBUFFER | CON_BOOT | CON_ANYTIME,
	.index = -1,
};

void co_early_console_init(void)
{
	if (!co_boot_info.console_ring)
		return;
	ring = co_shared_memory(co_boot_info.console_ring);
	register_console(&early_console_of_ring);
	add_preferred_console("hvc", 0, NULL);
}
