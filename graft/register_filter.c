// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's accesses to MSRs, CR0 and CR4 (pv_ops.cpu.{read,write}_msr{,_safe}, write_cr0, write_cr4): modules go through
 * here too. What becomes of each is one table, colinux/register_policy.h; here it is done and counted. A read or write of a
 * register that the table does not give to the guest never touches hardware.
 */
#undef MODULE /* the kernel's own view of asm/tlbflush.h */
#include <linux/errno.h>
#include <linux/stddef.h>
#include <asm/msr-index.h>
#include <asm/msr.h>
#include <asm/paravirt.h>
#include <asm/tlbflush.h>

#include <colinux/graft_object.h>
#include <colinux/register_policy.h>

#include "graft.h"

void co_write_cr0(unsigned long value);
void co_write_cr4(unsigned long value);
void co_flush_tlb_global(void);

/* The kernel's own, whose exception tables know the WRMSR and RDMSR in them */
extern int kernel_write_msr_safe(unsigned int msr, u32 low, u32 high) asm("native_write_msr_safe");
extern u64 kernel_read_msr_safe(unsigned int msr, int *error) asm("native_read_msr_safe");

struct co_filtered_writes co_filtered_writes __used = { .version = CO_REGISTER_POLICY_VERSION };

static void count(u64 *filtered)
{
	asm volatile("lock incq %0" : "+m"(*filtered));
}

/* ---- MSRs ----------------------------------------------------------------------------------------- */

static int carried_write(unsigned int slot, unsigned int msr, u32 low, u32 high)
{
	unsigned long flags = native_save_fl();
	struct co_passage *passage;
	u64 before;
	int error;

	native_irq_disable();
	passage = co_this_passage();
	before = passage->msr[slot];
	WRITE_ONCE(passage->msr_unsure, 1);
	WRITE_ONCE(passage->msr[slot], (u64)high << 32 | low);
	error = kernel_write_msr_safe(msr, low, high);
	if (error)
		WRITE_ONCE(passage->msr[slot], before);
	barrier();
	WRITE_ONCE(passage->msr_unsure, 0);
	if (flags & X86_EFLAGS_IF)
		native_irq_enable();
	return error;
}

static int unlisted_write(unsigned int msr)
{
	count(&co_filtered_writes.unlisted);
	WRITE_ONCE(co_filtered_writes.last_unlisted, msr);
	return -EIO;
}

int co_write_msr_safe(unsigned int msr, unsigned int low, unsigned int high)
{
	unsigned int row = co_find_msr_rule(msr);
	int error;

	if (row == CO_MSR_RULES)
		return unlisted_write(msr);
	switch (co_msr_rules[row].write) {
	case CO_WRITE_CARRY:
		return carried_write(co_msr_rules[row].slot, msr, low, high);
	case CO_WRITE_PASS:
		return kernel_write_msr_safe(msr, low, high);
	case CO_WRITE_KEEP:
		if (co_read_msr_safe(msr, &error) == ((u64)high << 32 | low))
			return 0;
		break;
	case CO_WRITE_DROP:
	case CO_WRITE_FAULT:
		break;
	}
	count(&co_filtered_writes.msr[row]);
	return co_msr_rules[row].write == CO_WRITE_FAULT ? -EIO : 0;
}

/* No fault is passed on: kernels write some registers of their CPU model without asking CPUID. */
void co_write_msr(unsigned int msr, unsigned int low, unsigned int high)
{
	co_write_msr_safe(msr, low, high);
}

u64 co_read_msr_safe(unsigned int msr, int *error)
{
	unsigned int row = co_find_msr_rule(msr);

	*error = 0;
	if (row < CO_MSR_RULES) {
		const struct co_msr_rule *rule = &co_msr_rules[row];

		switch (rule->read) {
		case CO_READ_REAL:
			return kernel_read_msr_safe(msr, error) & ~rule->value;
		case CO_READ_CONSTANT:
			return rule->value;
		case CO_READ_BOOT_CPU:
			return raw_smp_processor_id() ? 0 : rule->value;
		case CO_READ_FAULT:
			break;
		}
	}
	*error = -EIO;
	return 0;
}

u64 co_read_msr(unsigned int msr)
{
	int error;

	return co_read_msr_safe(msr, &error);
}

void co_filter_msr_reads(void)
{
	pv_ops.cpu.read_msr = co_read_msr;
	pv_ops.cpu.read_msr_safe = co_read_msr_safe;
}

/* ---- control registers ---------------------------------------------------------------------------- */

static u64 filtered(u32 reg, u64 present, u64 wanted)
{
	unsigned int row;

	for (row = 0; row < CO_CONTROL_RULES; row++) {
		if (co_control_rule_filters(&co_control_rules[row], reg, present, &wanted))
			count(&co_filtered_writes.control[row]);
	}
	return wanted;
}

void co_write_cr0(unsigned long value)
{
	native_write_cr0(filtered(CO_REGISTER_CR0, native_read_cr0(), value));
}

void co_write_cr4(unsigned long value)
{
	unsigned long allowed = filtered(CO_REGISTER_CR4, native_read_cr4(), value);

	if (allowed != value) /* the kernel has noted the other value already and would build its next one on it */
		this_cpu_write(cpu_tlbstate.cr4, allowed);
	native_write_cr4(allowed);
}

/* The kernel's own writes what it believes CR4 to be. VMXE is the host's, which may have turned VMX on or off since. */
void co_flush_tlb_global(void)
{
	unsigned long flags = native_save_fl(), cr4;

	native_irq_disable();
	cr4 = native_read_cr4();
	asm volatile("mov %0, %%cr4" : : "r"(cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	if (flags & X86_EFLAGS_IF)
		native_irq_enable();
}

static const struct co_graft_layout __used __section(".colinux.layout") noted_cr4[] = {
	{ "tlb_state", "cr4", offsetof(struct tlb_state, cr4), sizeof_field(struct tlb_state, cr4) },
};
