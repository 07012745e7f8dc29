// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's memory grows and shrinks while it runs (colinux/transport.h, the memory device): blocks of 2 MiB are taken from the page
 * allocator, without calling the OOM killer, out of the direct map, so that a stray pointer faults here instead of writing to the
 * host's memory, and given to the host; and the same ones come back. The model is virtio-mem, but for who chooses the block: here it is
 * the kernel, by what it can move. What the kernel was loaded to, the graft and the transport are never free pages.
 */
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/set_memory.h>
#include <linux/workqueue.h>
#include <asm/pgtable.h>

#include <colinux/transport.h>

#include "config_space.h"
#include "graft.h"
#include "transport.h"

#define BLOCK_ORDER 9
#define BLOCK_PAGES (1ul << BLOCK_ORDER)
#define BLOCK_BYTES (BLOCK_PAGES * PAGE_SIZE)
#define LEFT_TO_PROGRAMS (32ul << (20 - PAGE_SHIFT)) /* pages: no shrinking below that, or its programs would die of it */

extern void flush_tlb_kernel_range(unsigned long start, unsigned long end); /* not declared for modules */

static struct co_device *shared;
static unsigned int number;
static LIST_HEAD(absent); /* first pages of the blocks that the host has */

/* What `private` of a block's first pages remembers of the direct map: lookup_address() does not find an entry that is empty */
enum { VALUE, ENTRY, LEVEL, REMEMBERED };

static u64 ask(u64 operation, u64 argument)
{
	return co_call(CO_CALL_DEVICE, number, operation, argument, 0);
}

static struct co_memory_config read_config(void)
{
	struct co_memory_config config;

	co_read_config(shared, 0, &config, sizeof(config));
	return config;
}

/* One entry of 2 MiB, or a table of 512 that are all alike. A larger one is split by the kernel, as for read-only memory. */
static bool hide(struct page *block)
{
	unsigned long start = (unsigned long)page_address(block);
	unsigned int level, i;
	pte_t *entry = lookup_address(start, &level);

	if (entry && level == PG_LEVEL_1G) {
		if (set_memory_ro(start, BLOCK_PAGES))
			return false;
		entry = lookup_address(start, &level);
	}
	if (!entry || (level != PG_LEVEL_2M && level != PG_LEVEL_4K))
		return false;
	set_page_private(block + VALUE, pte_val(*entry) | _PAGE_RW);
	set_page_private(block + ENTRY, (unsigned long)entry);
	set_page_private(block + LEVEL, level);
	if (level == PG_LEVEL_2M)
		set_pmd((pmd_t *)entry, __pmd(0));
	else
		for (i = 0; i < BLOCK_PAGES; i++)
			set_pte(entry + i, __pte(0));
	flush_tlb_kernel_range(start, start + BLOCK_BYTES);
	return true;
}

static void show(struct page *block)
{
	pte_t *entry = (pte_t *)page_private(block + ENTRY);
	u64 value = page_private(block + VALUE);
	unsigned int i;

	if (page_private(block + LEVEL) == PG_LEVEL_2M)
		set_pmd((pmd_t *)entry, __pmd(value));
	else
		for (i = 0; i < BLOCK_PAGES; i++)
			set_pte(entry + i, __pte(value + i * PAGE_SIZE));
	for (i = 0; i < REMEMBERED; i++)
		set_page_private(block + i, 0);
}

/* PageOffline: nobody reads it, /proc/kcore for instance */
static void mark(struct page *block, bool gone)
{
	unsigned long i;

	for (i = 0; i < BLOCK_PAGES; i++) {
		if (gone)
			__SetPageOffline(block + i);
		else
			__ClearPageOffline(block + i);
	}
	adjust_managed_page_count(block, gone ? -(long)BLOCK_PAGES : (long)BLOCK_PAGES);
}

static bool give_up_one(void)
{
	struct page *block;

	if (si_mem_available() < (long)(LEFT_TO_PROGRAMS + BLOCK_PAGES))
		return false;
	block = alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, BLOCK_ORDER);
	if (!block)
		return false;
	if (!hide(block)) {
		__free_pages(block, BLOCK_ORDER);
		return false;
	}
	mark(block, true);
	if (ask(CO_DEVICE_GIVE_UP, page_to_phys(block)) == 0) {
		list_add(&block->lru, &absent);
		return true;
	}
	mark(block, false);
	show(block);
	__free_pages(block, BLOCK_ORDER);
	return false;
}

/* The first that the host can give; those that it cannot stay where they are */
static bool take_back_one(void)
{
	struct page *block;

	list_for_each_entry(block, &absent, lru) {
		if (ask(CO_DEVICE_TAKE_BACK, page_to_phys(block)) == 0) {
			list_rotate_to_front(&block->lru, &absent); /* those before it come last the next time */
			list_del(&block->lru);
			show(block);
			mark(block, false);
			__free_pages(block, BLOCK_ORDER);
			return true;
		}
	}
	return false;
}

static void change_size(struct work_struct *work)
{
	struct co_memory_config config;

	for (;;) {
		config = read_config();
		if (config.present_bytes > config.wanted_bytes ? !give_up_one() :
		    config.present_bytes < config.wanted_bytes ? !take_back_one() : true)
			break;
		cond_resched();
	}
	ask(CO_DEVICE_SETTLED, config.request);
}

static DECLARE_WORK(size_work, change_size);

static irqreturn_t changed(int line, void *argument)
{
	if (xchg(&shared->interrupt_status, 0))
		queue_work(system_long_wq, &size_work);
	return IRQ_HANDLED;
}

void co_memory_start(struct co_device *device, unsigned int device_number)
{
	shared = device;
	number = device_number;
	if (request_irq(co_irq_of_line(device->irq_line), changed, 0, "colinux-memory", device))
		return;
	device->driver_features = device->device_features;
	WRITE_ONCE(device->status, CO_MEMORY_DRIVER_OK);
	ask(CO_DEVICE_STATUS, 0);
}
