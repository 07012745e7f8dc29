// SPDX-License-Identifier: GPL-2.0
/* Fills every register that a kernel owns with random values, crosses with each call that returns at once, and
 * compares. `failures` counts registers that came back different; value[group] tells which. */
#include "payload.h"
#include "cpu_registers.h"

enum group { GENERAL, CONTROL, SELECTORS, BASES, TABLES, MSRS, DEBUG, FPU, PKRU, XCR0 };

struct general {
	co_u64 rbx, rbp, r12, r13, r14, r15, rflags;
};
void cross_with(struct general *general, struct co_passage *passage, struct co_world *from, struct co_world *to);

struct __attribute__((packed)) table_pointer {
	co_u16 limit;
	co_u64 base;
};

static const co_u32 msr_index[CO_MSR_COUNT] = { 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174, 0x175, 0x176,
						0x277, 0xc0000103, 0xda0 };
static const co_u32 base_index[3] = { 0xc0000100, 0xc0000101, 0xc0000102 };
static co_u64 gdt[10] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
static co_u64 ldt[2];
static co_u8 tss[104];
static co_u8 loaded[1024] __attribute__((aligned(64))), stored[1024] __attribute__((aligned(64)));
static int has_xsave, has_tsc_aux, has_pku, fpu_bytes = 416;
static co_u64 seed = 88172645463325252;

static co_u64 random(void) /* xorshift64 */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static co_u64 random_canonical(void)
{
	return (co_u64)((co_s64)(random() << 17) >> 17); /* fits 4 levels */
}

static void check(enum group group, int same)
{
	RESULT->failures += !same;
	RESULT->value[group] += !same;
}

static void make_system_descriptor(unsigned int slot, void *base, co_u32 limit, co_u64 type)
{
	co_u64 at = (co_u64)base;

	gdt[slot] = limit | (at & 0xffffff) << 16 | (0x80 | type) << 40 | (at >> 24 & 0xff) << 56;
	gdt[slot + 1] = at >> 32;
}

static void set_up(void)
{
	struct table_pointer pointer = { sizeof(gdt) - 1, (co_u64)gdt };
	co_u64 cr4 = read_cr4() | 1 << 9; /* OSFXSR */

	make_system_descriptor(4, tss, sizeof(tss) - 1, 9);
	make_system_descriptor(6, ldt, sizeof(ldt) - 1, 2);
	asm volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(4 * 8) : "memory");
	has_xsave = cpuid(1, 0).ecx >> 26 & 1;
	has_tsc_aux = cpuid(0x80000001, 0).edx >> 27 & 1;
	has_pku = cpuid(0, 0).eax >= 7 && cpuid(7, 0).ecx >> 3 & 1;
	write_cr4(cr4 | (has_xsave ? 1 << 18 : 0) | (has_pku ? 1 << 22 : 0));
	if (has_xsave && read_xcr0() & 4)
		fpu_bytes = 576 + 256; /* AVX: the upper halves stand behind legacy region and header */
}

/* ---- FPU: x87, SSE and, where the host uses it, AVX ------------------------------------------ */

static void load_fpu(void)
{
	co_u64 *words = (co_u64 *)loaded;

	for (unsigned int i = 0; i < sizeof(loaded) / 8; i++)
		words[i] = i < 4 || (i >= 52 && i < 72) ? 0 : random();
	*(co_u16 *)loaded = 0x37f;
	*(co_u32 *)(loaded + 24) = 0x1f80 | (random() & 0x6000); /* MXCSR: rounding */
	for (unsigned int i = 0; i < 8; i++)
		words[5 + 2 * i] &= 0xffff; /* x87 registers have 80 bits */
	loaded[4] = 0xff; /* none is empty */
	words[64] = fpu_bytes > 512 ? 7 : 3; /* XSTATE_BV */
	if (has_xsave)
		asm volatile("xrstor64 %0" : : "m"(loaded), "a"(7), "d"(0));
	else
		asm volatile("fxrstor64 %0" : : "m"(loaded));
}

static void check_fpu(void)
{
	int same = 1;

	if (has_xsave)
		asm volatile("xsave64 %0" : "+m"(stored) : "a"(7), "d"(0));
	else
		asm volatile("fxsave64 %0" : "+m"(stored));
	for (int i = 0; i < fpu_bytes; i++) {
		if (i >= 28 && i < 32)
			continue; /* MXCSR_MASK is stored, not loaded */
		if (i < 416 || i >= 576)
			same &= loaded[i] == stored[i];
	}
	check(FPU, same);
}

/* ---- MSRs, written as the graft's filter does ------------------------------------------------- */

static co_u64 random_pat(void)
{
	static const co_u8 types[8] = { 0, 1, 4, 5, 6, 7, 6, 6 };
	co_u64 value = 0;

	for (unsigned int i = 1; i < 8; i++)
		value |= (co_u64)types[random() & 7] << 8 * i;
	return value | 6; /* what our own page tables use stays write-back */
}

static void load_msrs(struct co_passage *passage)
{
	for (unsigned int i = 0; i <= CO_MSR_TSC_AUX; i++) {
		co_u64 value = i == CO_MSR_PAT ? random_pat() : i == CO_MSR_STAR ? random() : random_canonical();

		if (i == CO_MSR_SFMASK || i == CO_MSR_TSC_AUX)
			value &= 0xffffffff;
		if (i == CO_MSR_SYSENTER_CS)
			value &= 0xffff; /* a selector; emulators keep no more */
		if (i == CO_MSR_TSC_AUX && !has_tsc_aux)
			continue;
		passage->msr_unsure = 1;
		passage->msr[i] = value;
		write_msr(msr_index[i], value);
		passage->msr_unsure = 0;
	}
}

static void check_msrs(const struct co_passage *passage)
{
	for (unsigned int i = 0; i <= CO_MSR_TSC_AUX; i++) {
		if (i != CO_MSR_TSC_AUX || has_tsc_aux)
			check(MSRS, read_msr(msr_index[i]) == passage->msr[i]);
	}
}

/* ---- one crossing ----------------------------------------------------------------------------- */

static void choose_call(struct co_passage *passage, co_u64 step)
{
	static const co_u32 calls[] = { CO_CALL_CLOCK, CO_CALL_KICK, CO_CALL_LOCK_KICK, CO_CALL_LOCK_WAIT, CO_CALL_SET_TIMER,
					CO_CALL_DOORBELL, CO_CALL_CPU_START, CO_CALL_NMI_READY, CO_CALL_YIELD, CO_CALL_IDLE,
					CO_CALL_DEVICE, CO_CALL_INTERRUPT };
	struct co_mailbox *mail = &passage->mailbox;

	mail->call = calls[step % (sizeof(calls) / sizeof(*calls))];
	mail->flags = random() & 3;
	mail->arg[0] = mail->call == CO_CALL_CPU_START ? 1 : mail->call == CO_CALL_INTERRUPT ? 0xfd /* reschedule */ : 0;
	passage->pending = mail->call == CO_CALL_IDLE;
}

static void cross(struct co_passage *passage, co_u64 step)
{
	struct general before = { random(), random(), random(), random(), random(), random(), 2 | (random() & 0x247cd5) };
	struct general after = before;
	co_u64 cr2 = random(), cr4 = read_cr4() ^ (random() & 0x108); /* DE, PCE */
	co_u16 selector[4], ldtr = random() & 1 ? 6 * 8 : 0;
	co_u64 base[3], debug = CO_GRAFT_VIRT + 400 * CO_PAGE_SIZE + (random() & 0xff8);
	co_u64 dr7 = 0x400 | 1 << (2 * (random() & 3)) | 0xdddd0000; /* one of four, on writes of 4 bytes */
	co_u32 pkru = random();
	struct table_pointer now;
	co_u16 tr;

	for (unsigned int i = 0; i < 4; i++)
		selector[i] = random() & 1 ? 0x18 : 0;
	write_ds(selector[0]), write_es(selector[1]), write_fs(selector[2]), write_gs(selector[3]);
	asm volatile("lldt %0" : : "rm"(ldtr));
	for (unsigned int i = 0; i < 3; i++)
		write_msr(base_index[i], base[i] = random_canonical());
	write_dr0(debug), write_dr1(debug + 8), write_dr2(debug + 16), write_dr3(debug + 24), write_dr7(dr7);
	if (has_pku)
		write_pkru(pkru);
	load_msrs(passage);
	load_fpu();
	write_cr4(cr4);
	write_cr2(cr2);
	choose_call(passage, step);

	cross_with(&after, passage, &passage->guest, &passage->host);

	check(CONTROL, read_cr2() == cr2 && read_cr4() == cr4 && read_cr3() == passage->guest.cr3 && read_cr0() == passage->guest.cr0);
	check_fpu();
	for (unsigned int i = 0; i < sizeof(before) / 8; i++)
		check(GENERAL, ((co_u64 *)&before)[i] == ((co_u64 *)&after)[i]);
	check(SELECTORS, read_ds() == selector[0] && read_es() == selector[1] && read_fs() == selector[2] && read_gs() == selector[3]);
	for (unsigned int i = 0; i < 3; i++)
		check(BASES, read_msr(base_index[i]) == base[i]);
	asm volatile("sgdt %0" : "=m"(now));
	asm volatile("str %0" : "=r"(tr));
	check(TABLES, now.base == (co_u64)gdt && now.limit == sizeof(gdt) - 1 && tr == 4 * 8);
	asm volatile("sldt %0" : "=r"(tr));
	check(TABLES, tr == ldtr);
	check_msrs(passage);
	check(DEBUG, read_dr0() == debug && read_dr1() == debug + 8 && read_dr2() == debug + 16 && read_dr3() == debug + 24 &&
	      read_dr7() == dr7);
	if (has_pku)
		check(PKRU, read_pkru() == pkru);
}

void payload(struct co_passage *passage)
{
	set_up();
	seed += RESULT->count;
	for (co_u64 i = 0; i < RESULT->count; i++) {
		co_u64 xcr0 = has_xsave ? read_xcr0() : 0;

		cross(passage, i);
		check(XCR0, !has_xsave || read_xcr0() == xcr0);
		RESULT->done = i + 1;
	}
	power_off(passage);
}
