// SPDX-License-Identifier: GPL-2.0
/*
 * The passage window: 2 MiB at CO_PASSAGE_VIRT, in the 8 MiB that head_64.S leaves free behind the fixmap ("6 MB reserved space +
 * a 2MB hole", level2_fixmap_pgt[508..511]). No interface of the kernel maps there, so the page directory entry is written here.
 * The directory belongs to the kernel's image and is the same in every process. Nothing is global: CR4.PGE hides no page of it.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/smp.h>
#include <asm/processor.h>
#include <asm/special_insns.h>

#include <colinux/host_os.h>
#include <colinux/passage.h>

#define CO_WINDOW_DATA (_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_NX)
#define CO_WINDOW_CODE (_PAGE_PRESENT | _PAGE_ACCESSED)

static pmd_t *directory_entry;
static pte_t *table;

static pmd_t *find_directory_entry(void)
{
	pgd_t *pgd = (pgd_t *)__va(read_cr3_pa()) + pgd_index(CO_PASSAGE_VIRT);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, CO_PASSAGE_VIRT);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, CO_PASSAGE_VIRT);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	return pmd_offset(pud, CO_PASSAGE_VIRT);
}

/* All of this CPU's TLB, global and tagged entries too; SDM Vol. 3, 4.10.4.1. The kernel's own functions for it are not exported. */
static void flush_here(void *unused)
{
	unsigned long flags, cr4;

	local_irq_save(flags);
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	local_irq_restore(flags);
}

int co_os_window_open(void)
{
	directory_entry = find_directory_entry();
	if (!directory_entry || !pmd_none(*directory_entry)) {
		directory_entry = NULL;
		return -EBUSY;
	}
	table = (pte_t *)get_zeroed_page(GFP_KERNEL);
	if (!table) {
		directory_entry = NULL;
		return -ENOMEM;
	}
	set_pmd(directory_entry, __pmd(__pa(table) | _KERNPG_TABLE));
	return 0;
}

void co_os_window_close(void)
{
	if (!directory_entry)
		return;
	set_pmd(directory_entry, __pmd(0));
	on_each_cpu(flush_here, NULL, 1);
	free_page((unsigned long)table);
	directory_entry = NULL;
}

void co_os_window_map(co_u32 page, co_u64 phys, CO_BOOL execute)
{
	WRITE_ONCE(table[page].pte, phys ? phys | (execute ? CO_WINDOW_CODE : CO_WINDOW_DATA) : 0);
	if (!phys)
		on_each_cpu(flush_here, NULL, 1);
}
