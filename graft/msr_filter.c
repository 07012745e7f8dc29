// SPDX-License-Identifier: GPL-2.0
/*
 * Which MSRs the guest may touch (pv_ops.cpu.{read,write}_msr{,_safe}): modules go through here too. A write
 * passes only when the world switch carries the register; all others are counted and dropped, since the
 * register is the host's. A read of an unknown register never touches hardware. Registers that the kernel's
 * entry code writes by itself (GS bases, SPEC_CTRL) do not come here; the switch carries them.
 */
#include <linux/errno.h>
#include <asm/msr-index.h>
#include <asm/msr.h>

#include "graft.h"

u64 co_dropped_msr_writes;
u32 co_last_dropped_msr;

static u64 (*kernel_read_msr_safe)(unsigned int msr, int *error);

enum rule { DROP, CARRIED, NATIVE };

/* CARRIED: the passage holds the guest's value too, so that the driver need not read the register */
static enum rule write_rule(unsigned int msr, u32 low, unsigned int *slot)
{
	static const u32 carried[CO_MSR_COUNT] = {
		[CO_MSR_STAR] = MSR_STAR,
		[CO_MSR_LSTAR] = MSR_LSTAR,
		[CO_MSR_CSTAR] = MSR_CSTAR,
		[CO_MSR_SFMASK] = MSR_SYSCALL_MASK,
		[CO_MSR_SYSENTER_CS] = MSR_IA32_SYSENTER_CS,
		[CO_MSR_SYSENTER_ESP] = MSR_IA32_SYSENTER_ESP,
		[CO_MSR_SYSENTER_EIP] = MSR_IA32_SYSENTER_EIP,
		[CO_MSR_PAT] = MSR_IA32_CR_PAT,
		[CO_MSR_TSC_AUX] = MSR_TSC_AUX,
		[CO_MSR_XSS] = MSR_IA32_XSS,
	};

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_IA32_SPEC_CTRL:
	case MSR_IA32_PRED_CMD:
	case MSR_IA32_FLUSH_CMD:
		return NATIVE;
	case MSR_EFER:
		return low & ~(u32)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX) ? DROP : NATIVE;
	}
	for (*slot = 0; *slot < CO_MSR_COUNT; ++*slot) {
		if (carried[*slot] == msr)
			return CARRIED;
	}
	return DROP;
}

static void hardware_write(unsigned int msr, unsigned int low, unsigned int high)
{
	asm volatile("wrmsr" : : "c"(msr), "a"(low), "d"(high) : "memory");
}

static void carried_write(unsigned int slot, unsigned int msr, unsigned int low, unsigned int high)
{
	unsigned long flags = native_save_fl();
	struct co_passage *passage;

	native_irq_disable();
	passage = co_this_passage();
	WRITE_ONCE(passage->msr_unsure, 1);
	WRITE_ONCE(passage->msr[slot], (u64)high << 32 | low);
	hardware_write(msr, low, high);
	barrier();
	WRITE_ONCE(passage->msr_unsure, 0);
	if (flags & X86_EFLAGS_IF)
		native_irq_enable();
}

int co_write_msr_safe(unsigned int msr, unsigned int low, unsigned int high)
{
	unsigned int slot;

	switch (write_rule(msr, low, &slot)) {
	case CARRIED:
		carried_write(slot, msr, low, high);
		return 0;
	case NATIVE:
		hardware_write(msr, low, high);
		return 0;
	case DROP:
		break;
	}
	co_dropped_msr_writes++;
	co_last_dropped_msr = msr;
	return 0;
}

void co_write_msr(unsigned int msr, unsigned int low, unsigned int high)
{
	co_write_msr_safe(msr, low, high);
}

u64 co_read_msr_safe(unsigned int msr, int *error)
{
	*error = 0;
	switch (msr) {
	case MSR_IA32_APICBASE: /* disabled; only vCPU 0 is the boot processor */
		return raw_smp_processor_id() ? 0 : MSR_IA32_APICBASE_BSP;
	case MSR_IA32_MISC_ENABLE:
		return MSR_IA32_MISC_ENABLE_FAST_STRING;
	case MSR_IA32_ARCH_CAPABILITIES: /* TSX_CTRL, MISC_PACKAGE_CTLS, FB_CLEAR_CTRL, XAPIC_DISABLE, GDS_CTRL lead to MSRs that we drop */
		return kernel_read_msr_safe(msr, error) & ~(BIT_ULL(7) | BIT_ULL(10) | BIT_ULL(18) | BIT_ULL(21) | BIT_ULL(25));
	case MSR_EFER:
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_TSC_AUX:
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
	case MSR_IA32_CR_PAT:
	case MSR_IA32_XSS:
	case MSR_IA32_SPEC_CTRL:
	case MSR_IA32_UCODE_REV:
	case MSR_IA32_TSC:
		return kernel_read_msr_safe(msr, error);
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
	kernel_read_msr_safe = pv_ops.cpu.read_msr_safe;
	pv_ops.cpu.read_msr = co_read_msr;
	pv_ops.cpu.read_msr_safe = co_read_msr_safe;
}
