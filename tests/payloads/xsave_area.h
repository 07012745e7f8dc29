/* SPDX-License-Identifier: GPL-2.0 */
/* The memory image of XSAVE and FXSAVE with random contents that XRSTOR accepts, whatever components the CPU has; for
 * payloads and host programs alike. Layout: SDM Vol. 1, 13.4. */
#ifndef COLINUX_PAYLOAD_XSAVE_AREA_H
#define COLINUX_PAYLOAD_XSAVE_AREA_H

#include "cpu_registers.h"
#include "payload_random.h"

#define XCR0_X87 1ull
#define XCR0_SSE 2ull
#define XCR0_AVX 4ull
#define XCR0_MPX (3ull << 3)
#define XCR0_AVX512 (7ull << 5)
#define XCR0_PKRU (1ull << 9)
#define XCR0_RANDOMISED (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_MPX | XCR0_AVX512 | XCR0_PKRU) /* AMX: the graft hides it */
#define XSAVE_LEGACY_USED 416
#define XSAVE_EXTENDED 576 /* behind legacy region and header */
#define MXCSR_MASK_DEFAULT 0xffbf /* where the CPU says 0 */

struct xsave_area {
	co_u16 control, status;
	co_u8 tags, reserved1;
	co_u16 opcode;
	co_u64 instruction, data;
	co_u32 mxcsr, mxcsr_mask;
	co_u64 x87[16], xmm[32];
	co_u8 unused[96];
	co_u64 present, compacted, reserved2[6];
	co_u8 extended[4096 - XSAVE_EXTENDED];
} __attribute__((aligned(64)));

static inline co_u32 *pkru_of(struct xsave_area *area)
{
	return (co_u32 *)((co_u8 *)area + cpuid(0xd, 9).ebx);
}

/* `components`: those of XCR0, or X87 | SSE without XSAVE. All of them are present. area->mxcsr_mask is kept. */
static inline void randomise(struct xsave_area *area, co_u64 components)
{
	co_u32 mxcsr_mask = area->mxcsr_mask ? area->mxcsr_mask : MXCSR_MASK_DEFAULT;

	for (unsigned int i = 0; i < sizeof(*area) / 8; i++)
		((co_u64 *)area)[i] = random_bits();
	area->control = 0x7f | (random_bits() & 0xf00); /* every exception masked: precision, rounding */
	area->status &= 0x7f7f; /* no exception: B, ES follow from the others */
	area->reserved1 = area->opcode = 0;
	area->instruction = area->data = 0; /* AMD keeps them only with an exception pending */
	area->mxcsr = random_bits() & mxcsr_mask;
	area->mxcsr_mask = mxcsr_mask;
	for (unsigned int i = 0; i < 8; i++)
		area->x87[2 * i + 1] &= 0xffff;
	area->present = components;
	area->compacted = 0;
	for (unsigned int i = 0; i < 6; i++)
		area->reserved2[i] = 0;
	if (components & XCR0_MPX) /* BNDCFGU: off, and bits 2..11 must be 0 */
		*(co_u64 *)((co_u8 *)area + cpuid(0xd, 4).ebx) = random_canonical() & ~0xfffull;
	if (components & XCR0_PKRU)
		pkru_of(area)[1] = 0; /* reserved; some write it */
}

/* The header aside: "not in use" may come back as "in use, with the initial contents" and vice versa. */
static inline int same_contents(const struct xsave_area *a, const struct xsave_area *b)
{
	const co_u64 *left = (const co_u64 *)a, *right = (const co_u64 *)b;

	for (unsigned int i = 0; i < sizeof(*a) / 8; i++) {
		if (left[i] != right[i] && (i < XSAVE_LEGACY_USED / 8 || i >= XSAVE_EXTENDED / 8))
			return 0;
	}
	return 1;
}

#endif
