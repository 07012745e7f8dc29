/* SPDX-License-Identifier: GPL-2.0 */
/* The MSRs that a guest may own, with random values that the CPU accepts. */
#ifndef COLINUX_PAYLOAD_STATE_MSRS_H
#define COLINUX_PAYLOAD_STATE_MSRS_H

#include "cpu_registers.h"
#include "payload.h"
#include "payload_random.h"

#define MSR_SPEC_CTRL 0x48
#define MSR_EFER 0xc0000080
#define MSR_FS_BASE 0xc0000100 /* + 1: GS_BASE, + 2: KERNEL_GS_BASE */
#define BASES 3

static const co_u32 msr_index[CO_MSR_COUNT] = { 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174, 0x175, 0x176,
						0x277, 0xc0000103, 0xda0 };
static int has_msr[CO_MSR_COUNT];
static co_u64 xss_allowed, spec_ctrl_allowed, spec_ctrl, bases[BASES];

static inline void set_up_msrs(void)
{
	struct cpuid leaf7 = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid){ 0 };
	int xsaves = (cpuid(1, 0).ecx >> 26 & 1) && (cpuid(0xd, 1).eax >> 3 & 1);

	for (unsigned int i = 0; i < CO_MSR_COUNT; i++)
		has_msr[i] = 1;
	has_msr[CO_MSR_TSC_AUX] = cpuid(0x80000001, 0).edx >> 27 & 1;
	has_msr[CO_MSR_XSS] = xsaves;
	xss_allowed = xsaves ? cpuid(0xd, 1).ecx : 0;
	spec_ctrl_allowed = (leaf7.edx >> 26 & 1) | (leaf7.edx >> 27 & 1) << 1 | (leaf7.edx >> 31 & 1) << 2;
}

static inline co_u64 random_pat(void)
{
	static const co_u8 types[8] = { 0, 1, 4, 5, 6, 7, 6, 6 };
	co_u64 value = 0;

	for (unsigned int i = 1; i < 8; i++)
		value |= (co_u64)types[random_bits() & 7] << 8 * i;
	return value | 6; /* what our own page tables use stays write-back */
}

static inline co_u64 random_value_of(unsigned int index)
{
	switch (index) {
	case CO_MSR_PAT:
		return random_pat();
	case CO_MSR_STAR:
		return random_bits();
	case CO_MSR_SFMASK:
	case CO_MSR_TSC_AUX:
		return random_bits() & 0xffffffff;
	case CO_MSR_SYSENTER_CS:
		return random_bits() & 0xffff; /* a selector; emulators keep no more */
	case CO_MSR_XSS:
		return random_bits() & xss_allowed;
	}
	return random_canonical();
}

/* Written as the graft's filter does: the passage has the value, too. */
static inline void load_msrs(struct co_passage *passage)
{
	for (unsigned int i = 0; i < CO_MSR_COUNT; i++) {
		if (!has_msr[i])
			continue;
		passage->msr_unsure = 1;
		passage->msr[i] = random_value_of(i);
		write_msr(msr_index[i], passage->msr[i]);
		passage->msr_unsure = 0;
	}
	for (unsigned int i = 0; i < BASES; i++)
		write_msr(MSR_FS_BASE + i, bases[i] = random_canonical());
	if (spec_ctrl_allowed)
		write_msr(MSR_SPEC_CTRL, spec_ctrl = random_bits() & spec_ctrl_allowed);
}

static inline int same_msrs(const struct co_passage *passage)
{
	int same = !spec_ctrl_allowed || read_msr(MSR_SPEC_CTRL) == spec_ctrl;

	for (unsigned int i = 0; i < CO_MSR_COUNT; i++)
		same &= !has_msr[i] || read_msr(msr_index[i]) == passage->msr[i];
	return same;
}

static inline int same_bases(void)
{
	int same = 1;

	for (unsigned int i = 0; i < BASES; i++)
		same &= read_msr(MSR_FS_BASE + i) == bases[i];
	return same;
}

#endif
