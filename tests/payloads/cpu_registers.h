/* SPDX-License-Identifier: GPL-2.0 */
/* The CPU's registers for payloads, one instruction per function. */
#ifndef COLINUX_PAYLOAD_CPU_REGISTERS_H
#define COLINUX_PAYLOAD_CPU_REGISTERS_H

#include <colinux/types.h>

#define READ_WRITE(name, instruction_operand)                                                            \
	static inline co_u64 read_##name(void)                                                           \
	{                                                                                                \
		co_u64 value;                                                                            \
		asm volatile("mov %%" instruction_operand ", %0" : "=r"(value));                         \
		return value;                                                                            \
	}                                                                                                \
	static inline void write_##name(co_u64 value)                                                    \
	{                                                                                                \
		asm volatile("mov %0, %%" instruction_operand : : "r"(value) : "memory");                \
	}

READ_WRITE(cr0, "cr0")
READ_WRITE(cr2, "cr2")
READ_WRITE(cr3, "cr3")
READ_WRITE(cr4, "cr4")
READ_WRITE(dr0, "db0")
READ_WRITE(dr1, "db1")
READ_WRITE(dr2, "db2")
READ_WRITE(dr3, "db3")
READ_WRITE(dr6, "db6")
READ_WRITE(dr7, "db7")

/* SDM Vol. 3, 2.5 and 18.2 */
#define CR0_MP (1ull << 1)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR3_PWT (1ull << 3)
#define CR3_PCD (1ull << 4)
#define CR4_TSD (1ull << 2)
#define CR4_DE (1ull << 3)
#define CR4_PGE (1ull << 7)
#define CR4_PCE (1ull << 8)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_LA57 (1ull << 12)
#define CR4_VMXE (1ull << 13)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_PCIDE (1ull << 17)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKE (1ull << 22)
#define DR6_INITIAL 0xffff0ff0ull
#define DR6_STATUS 0xe00full /* B0-3, BD, BS, BT */
#define DR7_OFF 0x400ull
#define DR7_LOCAL(n) (1ull << 2 * (n))
#define DR7_ALL_ENABLED 0xffull
#define DR7_ALL_WRITES_OF_4 0xdddd0000ull

#define SELECTOR(name)                                                                                   \
	static inline co_u16 read_##name(void)                                                           \
	{                                                                                                \
		co_u16 value;                                                                            \
		asm volatile("mov %%" #name ", %0" : "=rm"(value));                                      \
		return value;                                                                            \
	}                                                                                                \
	static inline void write_##name(co_u16 value)                                                    \
	{                                                                                                \
		asm volatile("mov %0, %%" #name : : "rm"(value));                                        \
	}

SELECTOR(ds)
SELECTOR(es)
SELECTOR(fs)
SELECTOR(gs)
SELECTOR(ss)

static inline co_u64 read_msr(co_u32 index)
{
	co_u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return low | (co_u64)high << 32;
}

static inline void write_msr(co_u32 index, co_u64 value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((co_u32)value), "d"((co_u32)(value >> 32)) : "memory");
}

static inline co_u64 read_xcr0(void)
{
	co_u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (co_u64)high << 32;
}

static inline void write_xcr0(co_u64 value)
{
	asm volatile("xsetbv" : : "c"(0), "a"((co_u32)value), "d"((co_u32)(value >> 32)));
}

static inline co_u32 read_pkru(void)
{
	co_u32 value, zero;

	asm volatile("rdpkru" : "=a"(value), "=d"(zero) : "c"(0));
	return value;
}

static inline void write_pkru(co_u32 value)
{
	asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0));
}

struct cpuid {
	co_u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(co_u32 leaf, co_u32 subleaf)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
	return r;
}

#endif
