// SPDX-License-Identifier: GPL-2.0
/* Heap, runs and frames. Frames of runs are ordinary pages with a reference count each, so that user mappings
 * of guest RAM work with O_DIRECT and io_uring. */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/io.h>

#include <colinux/abi.h>
#include <colinux/host_os.h>
#include "compat.h"

#define LARGEST_ORDER 10 /* 4 MiB: the page allocator's limit on x86 */

void *co_os_heap_allocate(co_u64 bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

void co_os_heap_free(void *memory)
{
	kvfree(memory);
}

co_u64 co_os_run_limit(void)
{
	return PAGE_SIZE << LARGEST_ORDER;
}

/* What a guest takes is pinned. The host keeps a share of its memory (1/32, at most 512 MiB) to go on with. */
static bool co_host_can_spare(co_u64 bytes)
{
	unsigned long reserve = min_t(unsigned long, totalram_pages() / 32, SZ_512M >> PAGE_SHIFT);

	return si_mem_available() > (long)(reserve + (bytes >> PAGE_SHIFT));
}

co_u64 co_os_run_allocate(co_u64 bytes)
{
	gfp_t flags = GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_ZERO | __GFP_NORETRY | __GFP_NOWARN; /* of the caller's cgroup */
	unsigned int order = get_order(bytes);
	struct page *pages;

	if (!co_host_can_spare(bytes))
		return 0;
	/* Large blocks only where they lie ready; compaction is for the smallest, when nothing else is left */
	if (bytes > CO_BLOCK_SIZE)
		flags &= ~__GFP_DIRECT_RECLAIM;
	pages = alloc_pages(flags, order);
	if (!pages)
		return 0;
	split_page(pages, order);
	return page_to_phys(pages);
}

void co_os_run_free(co_u64 phys, co_u64 bytes)
{
	co_u64 end = phys + bytes;

	for (; phys < end; phys += PAGE_SIZE)
		__free_page(pfn_to_page(PHYS_PFN(phys)));
}

/* The very frames: they must be free, or hold what can be moved elsewhere. The page allocator hands them out as if by alloc_page(), but
 * does not charge the caller's cgroup for them. */
bool co_os_block_reclaim(co_u64 phys)
{
	unsigned long pfn = PHYS_PFN(phys), end = pfn + (CO_BLOCK_SIZE >> PAGE_SHIFT);

	if (!co_host_can_spare(CO_BLOCK_SIZE) || !pfn_to_online_page(pfn) || page_zone(pfn_to_page(pfn)) != page_zone(pfn_to_page(end - 1)))
		return false;
	if (co_alloc_contig_range(pfn, end))
		return false;
	for (; pfn < end; pfn++)
		clear_highpage(pfn_to_page(pfn));
	return true;
}

co_u64 co_os_frame_allocate(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	return page ? page_to_phys(page) : 0;
}

void co_os_frame_free(co_u64 phys)
{
	__free_page(pfn_to_page(PHYS_PFN(phys)));
}

void *co_os_frame_map(co_u64 phys)
{
	return phys_to_virt(phys);
}

void co_os_frame_unmap(void *address)
{
	/* the direct map stays */
}

int co_os_copy_to_user(co_u64 user_address, const void *from, co_u64 bytes)
{
	return copy_to_user((void __user *)(unsigned long)user_address, from, bytes) ? -EFAULT : 0;
}
