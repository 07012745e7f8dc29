/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's extended state (x87, MMX, SSE, AVX, AVX-512, MPX, PKRU: what XCR0 has) with random contents, and XCR0. */
#ifndef COLINUX_PAYLOAD_STATE_FPU_H
#define COLINUX_PAYLOAD_STATE_FPU_H

#include "xsave_area.h"

static struct xsave_area fpu_loaded, fpu_before, fpu_after;
static int has_xsave;
static co_u64 full_xcr0, fpu_components; /* what XCR0 may have here; what it has now */

static inline co_u64 random_xcr0(void)
{
	co_u64 bits = random_bits(), xcr0 = full_xcr0;

	if (bits & 1)
		return xcr0; /* every other time: everything */
	xcr0 &= ~(bits & XCR0_PKRU);
	if (bits & 2)
		xcr0 &= ~XCR0_MPX;
	if (bits & 4)
		xcr0 &= ~XCR0_AVX512;
	if (bits & 8)
		xcr0 &= ~(XCR0_AVX | XCR0_AVX512);
	if (bits & 16)
		xcr0 &= ~(XCR0_SSE | XCR0_AVX | XCR0_AVX512);
	return xcr0;
}

static inline void save_fpu(struct xsave_area *area)
{
	if (has_xsave)
		asm volatile("xsave64 %0" : "+m"(*area) : "a"(~0), "d"(~0));
	else
		asm volatile("fxsave64 %0" : "+m"(*area));
}

static inline void set_up_fpu(void)
{
	has_xsave = cpuid(1, 0).ecx >> 26 & 1;
	full_xcr0 = XCR0_X87 | XCR0_SSE;
	if (has_xsave) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		full_xcr0 = read_xcr0() & XCR0_RANDOMISED;
	}
	save_fpu(&fpu_loaded); /* for mxcsr_mask */
}

/* Some components in their initial state. */
static inline void load_fpu(void)
{
	fpu_components = has_xsave ? random_xcr0() : full_xcr0;
	randomise(&fpu_loaded, fpu_components);
	if (!has_xsave) {
		asm volatile("fxrstor64 %0" : : "m"(fpu_loaded));
		return;
	}
	fpu_loaded.present &= random_bits() | random_bits();
	write_xcr0(fpu_components);
	asm volatile("xrstor64 %0" : : "m"(fpu_loaded), "a"(~0), "d"(~0));
}

#endif
