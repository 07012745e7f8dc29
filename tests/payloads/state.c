// SPDX-License-Identifier: GPL-2.0
/* The guest's half of the randomised-state test: fills every register that a kernel owns with random values, crosses (by
 * each call that returns at once; by whatever interrupt or NMI comes) and compares. `failures` counts groups that came
 * back different, value[group] tells which, the text names the first. The host's half: witness.cpp, host_state.c. */
#include "gates.h"
#include "cpu_registers.h"
#include "payload_random.h"
#include "state_fpu.h"
#include "state_msrs.h"

enum group { CALLED, HELD, CONTROL, SELECTORS, BASE, TABLES, MSRS, DEBUG, BREAKPOINT, FPU, PKRU, XCR0, GROUPS };
static const char *const group_names[GROUPS] = { "called", "held", "control", "selectors", "bases", "tables", "msrs",
						 "debug", "breakpoint", "fpu", "pkru", "xcr0" };

struct called { /* what a call preserves */
	co_u64 rbx, rbp, r12, r13, r14, r15, rflags;
};
void cross_with(struct called *state, struct co_passage *passage, struct co_world *from, struct co_world *to);
co_u64 held[16]; /* RAX RBX RCX RDX RSI RDI RBP R8-R15 RFLAGS */
void hold(void);

/* RFLAGS at random: CF PF AF ZF SF IF DF OF IOPL NT AC ID. Not TF, RF, VM, VIF, VIP. */
#define RANDOM_RFLAGS 0x247ed5
#define RFLAGS_IF 0x200ull

#define SELECTOR_DATA 0x18
#define SELECTOR_LDT_DATA 0xc /* entry 1 of the LDT */
#define SLOT_LDT 6
#define GDT_SLOTS 16
#define DESCRIPTOR_AVAILABLE_TSS 9
#define DESCRIPTOR_LDT 2
#define FLAT_CODE 0x00af9b000000ffff
#define FLAT_DATA 0x00cf93000000ffff

struct __attribute__((packed)) table_pointer {
	co_u16 limit;
	co_u64 base;
};

struct control {
	co_u64 cr0, cr2, cr3, cr4;
};
struct tables {
	struct table_pointer gdtr, idtr;
	co_u16 tr, ldtr;
};
struct debug {
	co_u64 dr[4], dr6, dr7;
	unsigned int armed; /* the breakpoint on `watched` */
};

static co_u64 gdts[2][GDT_SLOTS], ldt[2] = { 0, FLAT_DATA };
static co_u8 tss[104];
static volatile co_u32 watched;
static int has_pku;
static co_u64 step, plain_cr4, optional_cr4, optional_cr3;

static void check(enum group group, int same)
{
	if (same)
		return;
	if (!RESULT->failures++) {
		for (unsigned int i = 0; i == 0 || group_names[group][i - 1]; i++)
			RESULT->text[i] = group_names[group][i];
		RESULT->value[GROUPS] = step;
	}
	RESULT->value[group]++;
}

static int same_bytes(const void *a, const void *b, unsigned int count)
{
	const char *left = a, *right = b;

	while (count--) {
		if (*left++ != *right++)
			return 0;
	}
	return 1;
}

static void set_up(struct co_passage *passage)
{
	struct cpuid leaf7 = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid){ 0 };

	take_everything(passage);
	write_cr4(read_cr4() | CR4_OSFXSR);
	set_up_fpu();
	set_up_msrs();
	has_pku = leaf7.ecx >> 3 & 1;
	write_cr4(read_cr4() | (has_pku ? CR4_PKE : 0));
	plain_cr4 = read_cr4();
	/* On the way out CR4.PCIDE is set before CR3 is the host's, which needs these clear (docs/world-switch.md) */
	optional_cr3 = passage->host.cr4 & CR4_PCIDE ? 0 : CR3_PWT | CR3_PCD;
	optional_cr4 = CR4_TSD | CR4_DE | CR4_PGE | CR4_PCE | CR4_OSXMMEXCPT | (has_xsave ? CR4_OSXSAVE : 0) | (has_pku ? CR4_PKE : 0) |
		       (leaf7.ebx & 1 ? CR4_FSGSBASE : 0) | (leaf7.ebx >> 7 & 1 ? CR4_SMEP : 0) |
		       (leaf7.ebx >> 20 & 1 ? CR4_SMAP : 0) | (leaf7.ecx >> 2 & 1 ? CR4_UMIP : 0);
	for (unsigned int i = 0; i < 2; i++) {
		gdts[i][2] = FLAT_CODE;
		gdts[i][SELECTOR_DATA / 8] = FLAT_DATA;
	}
}

/* ---- descriptor tables and selectors ------------------------------------------------------------ */

static void make_system_descriptor(co_u64 *gdt, unsigned int slot, void *base, co_u32 limit, co_u64 type)
{
	co_u64 at = (co_u64)base;

	gdt[slot] = limit | (at & 0xffffff) << 16 | (0x80 | type) << 40 | (at >> 24 & 0xff) << 56;
	gdt[slot + 1] = at >> 32;
}

static void read_tables(struct tables *t)
{
	asm volatile("sgdt %0" : "=m"(t->gdtr));
	asm volatile("sidt %0" : "=m"(t->idtr));
	asm volatile("str %0" : "=m"(t->tr));
	asm volatile("sldt %0" : "=m"(t->ldtr));
}

static void load_tables(struct tables *t)
{
	static const co_u8 tss_slots[4] = { 4, 8, 10, 14 };
	co_u64 *gdt = gdts[random_bits() & 1];
	struct table_pointer pointer = { sizeof(*gdts) - 1 + 8 * (random_bits() & 0xfff), (co_u64)gdt };
	unsigned int slot = tss_slots[random_bits() & 3];

	make_system_descriptor(gdt, slot, tss, sizeof(tss) - 1, DESCRIPTOR_AVAILABLE_TSS);
	make_system_descriptor(gdt, SLOT_LDT, ldt, sizeof(ldt) - 1, DESCRIPTOR_LDT);
	asm volatile("lgdt %0; ltr %w1; lldt %w2" : : "m"(pointer), "r"(slot * 8), "r"(SLOT_LDT * 8) : "memory");
	load_idt(sizeof(idt) - 1 + (random_bits() & 0xefff));
	read_tables(t);
}

static co_u16 random_selector(void)
{
	static const co_u16 choice[4] = { 0, 3, SELECTOR_DATA, SELECTOR_LDT_DATA };

	return choice[random_bits() & 3];
}

static void load_selectors(co_u16 *selectors)
{
	for (unsigned int i = 0; i < 4; i++)
		selectors[i] = random_selector();
	write_ds(selectors[0]), write_es(selectors[1]), write_fs(selectors[2]), write_gs(selectors[3]);
	selectors[4] = random_bits() & 1 ? SELECTOR_DATA : 0;
	write_ss(selectors[4]);
}

static int same_selectors(const co_u16 *selectors)
{
	return read_ds() == selectors[0] && read_es() == selectors[1] && read_fs() == selectors[2] && read_gs() == selectors[3] &&
	       read_ss() == selectors[4];
}

/* ---- control registers ------------------------------------------------------------------------------ */

static void read_control(struct control *c)
{
	*c = (struct control){ read_cr0(), read_cr2(), read_cr3(), read_cr4() };
}

static void load_control(struct control *c)
{
	co_u64 optional = CR0_MP | CR0_TS | (read_cr4() & CR4_VMXE ? 0 : CR0_NE) | CR0_WP | CR0_AM;

	write_cr2(random_bits());
	write_cr3((read_cr3() & ~optional_cr3) | (random_bits() & optional_cr3));
	write_cr0((read_cr0() & ~optional) | (random_bits() & optional));
	write_cr4((plain_cr4 & ~optional_cr4) | (random_bits() & optional_cr4));
	read_control(c);
}

/* ---- breakpoints ------------------------------------------------------------------------------------- */

static void read_debug(struct debug *d)
{
	d->dr[0] = read_dr0(), d->dr[1] = read_dr1(), d->dr[2] = read_dr2(), d->dr[3] = read_dr3();
	d->dr6 = read_dr6(), d->dr7 = read_dr7();
}

/* One of the four on writes of 4 bytes to `watched`, the others on what nobody touches, armed or not. */
static void load_debug(struct debug *d)
{
	d->armed = random_bits() & 3;
	for (unsigned int i = 0; i < 4; i++)
		d->dr[i] = i == d->armed ? (co_u64)&watched : CO_GRAFT_VIRT + 400 * CO_PAGE_SIZE + (random_bits() & 0xff8);
	write_dr7(DR7_OFF);
	write_dr0(d->dr[0]), write_dr1(d->dr[1]), write_dr2(d->dr[2]), write_dr3(d->dr[3]);
	write_dr6(DR6_INITIAL | (random_bits() & DR6_STATUS));
	write_dr7(DR7_OFF | DR7_ALL_WRITES_OF_4 | DR7_LOCAL(d->armed) | (random_bits() & DR7_ALL_ENABLED));
	read_debug(d);
}

static int hits_breakpoint(const struct debug *d)
{
	int hit;

	write_dr6(DR6_INITIAL);
	breakpoints = breakpoint_status = 0;
	watched++;
	hit = breakpoints == 1 && (breakpoint_status & 0xf) == 1u << d->armed;
	write_dr7(DR7_OFF);
	return hit;
}

/* ---- one crossing -------------------------------------------------------------------------------------- */

static void choose_call(struct co_passage *passage)
{
	static const co_u32 calls[] = { CO_CALL_CLOCK, CO_CALL_KICK, CO_CALL_LOCK_KICK, CO_CALL_LOCK_WAIT, CO_CALL_SET_TIMER,
					CO_CALL_DOORBELL, CO_CALL_CPU_START, CO_CALL_YIELD, CO_CALL_IDLE, CO_CALL_DEVICE,
					CO_CALL_INTERRUPT };
	struct co_mailbox *mail = &passage->mailbox;

	mail->call = calls[step % (sizeof(calls) / sizeof(*calls))];
	mail->flags = random_bits() & 3;
	mail->arg[0] = mail->call == CO_CALL_CPU_START ? 1 : mail->call == CO_CALL_INTERRUPT ? 0xfd /* reschedule */ : 0;
	passage->pending = mail->call == CO_CALL_IDLE;
}

/* Whatever comes while all registers are full. Interrupts are on in half of the cases. */
static void check_hold(void)
{
	co_u64 before[16];

	for (unsigned int i = 0; i < 15; i++)
		before[i] = random_bits();
	before[15] = 2 | (random_bits() & RANDOM_RFLAGS);
	for (unsigned int i = 0; i < 16; i++)
		held[i] = before[i];
	hold();
	check(HELD, same_bytes(held, before, sizeof(before)));
}

static void cross(struct co_passage *passage)
{
	struct called before = { random_bits(), random_bits(), random_bits(), random_bits(), random_bits(), random_bits(),
				 2 | (random_bits() & RANDOM_RFLAGS) };
	struct called after;
	struct control control, control_now;
	struct tables tables, tables_now;
	struct debug debug, debug_now;
	co_u16 selectors[5];
	co_u32 pkru = random_bits();

	load_fpu();
	if (has_pku)
		write_pkru(pkru);
	save_fpu(&fpu_before);
	load_tables(&tables);
	load_selectors(selectors);
	load_msrs(passage);
	load_debug(&debug);
	choose_call(passage);
	load_control(&control);
	if (passage->mailbox.call == CO_CALL_IDLE) /* an interrupt before it would take `pending` */
		before.rflags &= ~RFLAGS_IF;
	after = before;

	cross_with(&after, passage, &passage->guest, &passage->host);
	if (step % 4 == 0)
		check_hold();

	read_control(&control_now);
	check(CONTROL, same_bytes(&control, &control_now, sizeof(control)));
	write_cr0(read_cr0() & ~CR0_TS);
	write_cr4(plain_cr4);
	check(PKRU, !has_pku || read_pkru() == pkru);
	check(XCR0, !has_xsave || read_xcr0() == fpu_components);
	save_fpu(&fpu_after);
	check(FPU, same_contents(&fpu_before, &fpu_after));
	check(CALLED, same_bytes(&before, &after, sizeof(before)));
	check(SELECTORS, same_selectors(selectors));
	check(BASE, same_bases());
	read_tables(&tables_now);
	check(TABLES, same_bytes(&tables, &tables_now, sizeof(tables)));
	check(MSRS, same_msrs(passage));
	read_debug(&debug_now);
	check(DEBUG, same_bytes(&debug.dr, &debug_now.dr, sizeof(debug.dr)) && debug.dr6 == debug_now.dr6 && debug.dr7 == debug_now.dr7);
	check(BREAKPOINT, hits_breakpoint(&debug));
}

void payload(struct co_passage *passage)
{
	co_u64 efer = read_msr(MSR_EFER);

	random_state = RESULT->seed;
	set_up(passage);
	for (step = 0; step < RESULT->count; step++) {
		cross(passage);
		check(MSRS, read_msr(MSR_EFER) == efer);
		RESULT->done = step + 1;
	}
	RESULT->value[14] = interrupts;
	RESULT->value[15] = nmis[0];
	power_off(passage);
}
