// SPDX-License-Identifier: GPL-2.0
/* Injects one fault into itself: class value[0] of faults.h, the details from the seed in `count`. What it does not
 * notice it survives: it then makes some good calls and powers off. */
#include "faults_cpu.h"
#include "payload_random.h"

#define CROSSINGS 50
#define SWITCH_BYTES 0x2f0 /* of its code; behind that are the exception handlers: a breakpoint there, or on their stack or tables, is for ever */
#define DIRECT(offset) ((volatile co_u64 *)(PAYLOAD_DIRECT_VIRT + (offset)))
#define GUEST_BYTES (1ull * PAYLOAD_BLOCKS * CO_GRAFT_BYTES)
#define TABLES_OFFSET ((co_u64)CO_GRAFT_BYTES)

extern char image_end[];
#define ADDRESS_MASK 0x000ffffffffff000ull

static struct co_passage *passage;
static void *volatile lock_holder;

static co_u64 below(co_u64 limit)
{
	return random_bits() % limit;
}

static co_u64 noncanonical(void)
{
	return (random_bits() & 0x3fffffffffffffff) | 0x4000000000000000;
}

/* Canonical for 4 and 5 levels, in either half, and not mapped */
static co_u64 unmapped(void)
{
	co_u64 low = random_bits() & 0x7ffffffff000;

	return random_bits() & 1 ? low : (low | 0xffffc00000000000) & ~(1ull << 45); /* neither direct map nor window */
}

static co_u64 safe_call(void)
{
	return leave(passage, CO_CALL_CLOCK, 0, 0, 0, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void write_to(co_u64 address)
{
	*(volatile co_u64 *)address = random_bits();
}

static void write_memory(void)
{
	for (unsigned int i = 0; i < 64; i++) {
		co_u64 offset = below(GUEST_BYTES) & ~7ull, page = offset / CO_PAGE_SIZE;
		co_u64 image_pages = (image_end - (char *)CO_GRAFT_VIRT + CO_PAGE_SIZE - 1) / CO_PAGE_SIZE;

		if (page == PAYLOAD_RESULT_PAGE || (page >= PAYLOAD_IMAGE_PAGE && page < image_pages) ||
		    (offset >= TABLES_OFFSET && offset < TABLES_OFFSET + PAYLOAD_TABLES * CO_PAGE_SIZE))
			continue; /* classes of their own */
		*DIRECT(offset) = random_bits();
		safe_call();
	}
}

static void write_graft_words(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		((volatile co_u64 *)passage)[below(__builtin_offsetof(struct co_passage, passage_cr4_set) / 8)] = random_bits();
		safe_call();
	}
}

static void write_msr_shadow(void)
{
	passage->msr[below(CO_MSR_COUNT)] = random_bits() & 3 ? random_bits() : noncanonical();
	safe_call();
	leave(passage, CO_CALL_YIELD, 0, 0, 0, 0); /* a burst of its own */
}

static void write_guest_state(void)
{
	volatile co_u64 *words = (volatile co_u64 *)&passage->guest;

	for (unsigned int i = 0; i < CROSSINGS; i++) {
		words[below(__builtin_offsetof(struct co_world, passage_gdtr) / 8)] = random_bits();
		safe_call();
	}
}

static void write_gates(void)
{
	static unsigned char code[] = { 0xcd, 0, 0xc3 }; /* int n; ret */
	unsigned int vector = below(256);

	if (vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK)
		vector++;
	((volatile co_u64 *)&idt[vector])[random_bits() & 1] ^= 1ull << below(64) | (random_bits() & 1 ? random_bits() : 0);
	for (volatile unsigned int i = 0; i < 1000000; i++)
		; /* the host's interrupts come */
	if (vector >= 32)
		return;
	code[1] = vector;
	((void (*)(void))code)();
}

/* A device writes to a wrong address while the vCPU is out: over a word of the path from CR3 to the passage. (Written by itself
 * it would not get out: write_page_tables.) */
static void lose_window(void)
{
	unsigned int levels = read_cr4() & CR4_LA57 ? 5 : 4, level = 1 + below(levels);
	co_u64 guest_phys = read_cr3() - TABLES_OFFSET, table = read_cr3(), offset, virt;

	for (unsigned int above = levels;; above--) {
		virt = above == 1 && random_bits() & 1 ? (co_u64)passage : CO_PASSAGE_VIRT;
		offset = (table & ADDRESS_MASK) - guest_phys + (virt >> (12 + 9 * (above - 1)) & 511) * 8;
		if (above == level)
			break;
		table = *DIRECT(offset);
	}
	leave(passage, CO_CALL_DEVICE, 0, PAYLOAD_DEVICE_WRITE, offset, *DIRECT(offset) ^ 1ull << (12 + below(28))); /* another frame */
}

static void write_words(co_u64 start, co_u64 bytes)
{
	*DIRECT((start + below(bytes)) & ~7ull) = random_bits();
	safe_call();
}

/* ---- control --------------------------------------------------------------------------------- */

static void jump_to(co_u64 address)
{
	((void (*)(void))address)();
}

static void bad_return(void)
{
	co_u64 frame[5] = { random_bits(), random_bits() & 0xffff, random_bits() & 0x3f7fd7, random_bits(), random_bits() & 0xffff };

	asm volatile("movq %0, %%rsp; iretq" : : "r"(frame) : "memory");
}

static __attribute__((noinline)) co_u64 recurse(volatile co_u64 depth)
{
	return depth == ~0ull ? 0 : recurse(depth + 1) + depth;
}

static void lose_stack(co_u64 where)
{
	asm volatile("movq %0, %%rsp; pushq $1" : : "r"(where) : "memory");
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void garbage_calls(void)
{
	static const co_u32 calls[] = { CO_CALL_IDLE, CO_CALL_YIELD, CO_CALL_LOCK_WAIT, CO_CALL_LOCK_KICK, CO_CALL_KICK,
					CO_CALL_SET_TIMER, CO_CALL_CLOCK, CO_CALL_DOORBELL, CO_CALL_CPU_START,
					CO_CALL_DEVICE, CO_CALL_NMI_READY, CO_CALL_INTERRUPT };

	for (unsigned int i = 0; i < 4 * CROSSINGS; i++) {
		co_u32 number = calls[below(sizeof(calls) / sizeof(*calls))];
		co_u64 narrow = number == CO_CALL_KICK || number == CO_CALL_LOCK_KICK ? 0 :
				number == CO_CALL_INTERRUPT ? 0xf8 /* the host's reboot vector */ : random_bits();

		asm volatile("cli"); /* an interrupt would clear `pending`, and the guest sleep for ever */
		passage->pending = random_bits() | 1;
		if (number == CO_CALL_LOCK_WAIT) /* with interrupts off only a kick ends it */
			leave(passage, CO_CALL_LOCK_KICK, 0, 0, 0, 0);
		leave(passage, number, narrow, random_bits(), random_bits(), random_bits());
		asm volatile("sti");
	}
	leave(passage, CO_CALL_NMI_READY, 1, 0, 0, 0);
}

static void garbage_last_call(void)
{
	static const co_u32 calls[] = { CO_CALL_NONE, CO_CALL_MCE, CO_CALL_KICK, CO_CALL_LOCK_KICK, CO_CALL_INTERRUPT,
					CO_CALL_POWER_OFF, CO_CALL_REBOOT, CO_CALL_HALT, CO_CALL_PANIC, CO_CALL_PROTOCOL,
					CO_CALL_COUNT, 0x80000000 };
	co_u32 number = calls[below(sizeof(calls) / sizeof(*calls))];

	leave(passage, number, number == CO_CALL_INTERRUPT ? random_bits() | 0x100 : random_bits() | 0x1000, random_bits(), random_bits(), random_bits());
}

static void start_garbage(void)
{
	for (unsigned int i = 0; i < CROSSINGS; i++) {
		co_u64 rip = random_bits() & 1 ? unmapped() : random_bits() & 1 ? noncanonical() : below(CO_PAGE_SIZE);
		co_u64 cr3 = random_bits() & 1 ? read_cr3() : random_bits();

		RESULT->failures += leave(passage, CO_CALL_CPU_START, random_bits() & 1, rip, random_bits(), cr3) == 0;
		RESULT->failures += leave(passage, CO_CALL_CPU_START, random_bits(), random_bits(), random_bits(), random_bits()) == 0;
	}
}

static void hostile_flags(void)
{
	debug_goes_on = 1;
	for (unsigned int i = 0; i < CROSSINGS; i++) {
		co_u64 flags = random_bits() & 0x247dd5; /* ID AC NT IOPL OF DF TF SF ZF AF PF CF, and IF = 0 */

		asm volatile("cli");
		passage->mailbox.call = CO_CALL_CLOCK;
		asm volatile("pushfq; pushq %0; popfq\n\t"
			     "call *%1\n\t"
			     "popfq; cld"
			     :
			     : "r"(flags), "r"(CO_PASSAGE_VIRT), "D"(passage), "S"(&passage->guest), "d"(&passage->host)
			     : "rax", "rcx", "r8", "r9", "r10", "r11", "memory");
		asm volatile("sti");
	}
}

static void hostile_control(void)
{
	co_u64 cr0 = read_cr0(), cr4 = read_cr4();

	for (unsigned int i = 0; i < CROSSINGS; i++) {
		write_cr4(cr4 ^ (random_bits() & 0x310f8f)); /* VME PVI TSD DE PGE PCE OSFXSR OSXMMEXCPT UMIP FSGSBASE SMEP SMAP */
		write_cr0(cr0 ^ (random_bits() & 0x5002a)); /* MP TS NE WP AM */
		safe_call();
		write_cr0(cr0);
		write_cr4(cr4);
	}
}

static void breakpoints_in_passage(void)
{
	debug_goes_on = 1;
	for (unsigned int i = 0; i < CROSSINGS; i++) {
		co_u64 code = CO_PASSAGE_VIRT, data = (co_u64)passage, words = __builtin_offsetof(struct co_passage, passage_cr4_set);

		write_dr7(0x400);
		write_dr0(code + below(SWITCH_BYTES));
		write_dr1(code + below(SWITCH_BYTES));
		write_dr2(data + (below(words) & ~7ull));
		write_dr3(data + (below(words) & ~7ull));
		write_dr7(0x400 | 0xaa | 0xbb000000); /* two on execution, two on access to 8 bytes */
		safe_call();
	}
	write_dr7(0x400);
}

/* ---- several vCPUs ----------------------------------------------------------------------------- */

static void start_other(void)
{
	leave(passage, CO_CALL_CPU_START, 1, (co_u64)other_start, CO_GRAFT_VIRT + (PAYLOAD_STACK_PAGE + 2) * CO_PAGE_SIZE,
	      read_cr3());
}

static void halt_interrupts_off(void)
{
	for (;;)
		asm volatile("cli; hlt");
}

static void spin_for_lock(void *me)
{
	asm volatile("cli");
	while (lock_holder != me) /* each waits for what the other holds */
		asm volatile("pause");
}

static void wait_for_lock(void)
{
	asm volatile("cli");
	for (;;) {
		call(passage_of(0), CO_CALL_LOCK_WAIT, 0, 0);
		call(passage_of(0), CO_CALL_YIELD, 0, 0);
	}
}

__attribute__((used)) void other_vcpu(void)
{
	set_up_cpu(passage_of(1));
	switch (RESULT->value[FAULT_VALUE_CLASS]) {
	case FAULT_halt_all: return halt_interrupts_off();
	case FAULT_spin_for_lock: return spin_for_lock(passage_of(1));
	case FAULT_wait_for_lock:
		for (;;)
			leave(passage_of(1), CO_CALL_LOCK_WAIT, 0, 0, 0, 0);
	default: return spin();
	}
}

static void call_for_ever(void)
{
	asm volatile("cli");
	for (;;)
		safe_call();
}

/* ---- what the host may not survive ---------------------------------------------------------------- */

static void fault_without_idt(void)
{
	load_idt(0, 0);
	asm volatile("ud2");
}

static void write_efer(void)
{
	write_msr(0xc0000080, read_msr(0xc0000080) & ~0x801ull); /* SCE, NXE */
	safe_call();
}

static void inject(enum fault_class class)
{
	co_u64 image = PAYLOAD_IMAGE_PAGE * CO_PAGE_SIZE, image_bytes = image_end - (char *)CO_GRAFT_VIRT - image;
	co_u64 driver_words = __builtin_offsetof(struct co_passage, passage_cr4_set);

	switch (class) {
	case FAULT_none: return;
	case FAULT_write_null: return write_to(below(CO_PAGE_SIZE - 8));
	case FAULT_write_noncanonical: return write_to(noncanonical());
	case FAULT_write_unmapped: return write_to(unmapped());
	case FAULT_read_unmapped: (void)*(volatile co_u64 *)unmapped(); return;
	case FAULT_write_memory: return write_memory();
	case FAULT_write_graft_words: return write_graft_words();
	case FAULT_write_msr_shadow: return write_msr_shadow();
	case FAULT_write_guest_state: return write_guest_state();
	case FAULT_write_gates: return write_gates();
	case FAULT_jump_null: return jump_to(below(CO_PAGE_SIZE));
	case FAULT_jump_noncanonical: return jump_to(noncanonical());
	case FAULT_jump_unmapped: return jump_to(unmapped());
	case FAULT_jump_data: return jump_to(PAYLOAD_DIRECT_VIRT + below(GUEST_BYTES));
	case FAULT_invalid_opcode: asm volatile("ud2"); return;
	case FAULT_divide: asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0)); return;
	case FAULT_breakpoint: asm volatile("int3"); return;
	case FAULT_bad_selector: return write_ds((random_bits() & 0xfff8) | 0x100);
	case FAULT_bad_return: return bad_return();
	case FAULT_stack_overflow: recurse(0); return;
	case FAULT_stack_lost: return lose_stack(random_bits() & 1 ? noncanonical() : unmapped());
	case FAULT_double_fault: return lose_stack(PAYLOAD_STACK_GUARD);
	case FAULT_idt_lost: asm volatile("cli"); load_idt(unmapped(), 0xfff); break;
	case FAULT_gdt_lost: asm volatile("cli"); load_gdt(unmapped(), below(0x17)); break;
	case FAULT_task_lost: asm volatile("cli"); gdt[0][GDT_TASK_SLOT] ^= 1ull << (40 + below(8)); break;
	case FAULT_spin: return spin();
	case FAULT_spin_all: start_other(); return spin();
	case FAULT_halt_interrupts_off: return halt_interrupts_off();
	case FAULT_halt_all: start_other(); return halt_interrupts_off();
	case FAULT_nmi_handler_spins: nmi_goes_to_spin = 1; return spin();
	case FAULT_spin_for_lock: start_other(); return spin_for_lock(passage);
	case FAULT_wait_for_lock: start_other(); return wait_for_lock();
	case FAULT_call_storm: return call_for_ever();
	case FAULT_garbage_calls: return garbage_calls();
	case FAULT_garbage_last_call: return garbage_last_call();
	case FAULT_start_garbage: return start_garbage();
	case FAULT_hostile_flags: return hostile_flags();
	case FAULT_hostile_control: return hostile_control();
	case FAULT_breakpoints_in_passage: return breakpoints_in_passage();
	case FAULT_write_driver_words: write_to(((co_u64)passage + driver_words + below(sizeof(*passage) - driver_words)) & ~7ull); break;
	case FAULT_write_switch_code: return write_to(CO_PASSAGE_VIRT + below(CO_PAGE_SIZE - 8));
	case FAULT_window_lost: return lose_window();
	case FAULT_write_page_tables: return write_words(TABLES_OFFSET, PAYLOAD_TABLES * CO_PAGE_SIZE);
	case FAULT_write_descriptors: return write_words(image + ((co_u64)gdt - CO_GRAFT_VIRT - image), sizeof(gdt[0]));
	case FAULT_write_own_image: return write_words(image, image_bytes);
	case FAULT_jump_own_text: return jump_to(CO_GRAFT_VIRT + image + below(image_bytes));
	case FAULT_fault_without_idt: return fault_without_idt();
	case FAULT_nmi_handler_never_returns: nmi_never_returns = 1; return spin();
	case FAULT_write_efer: return write_efer();
	case FAULT_cr3_lost: return write_cr3(random_bits() & 0xffffff000);
	case FAULT_gdt_unmapped: asm volatile("cli"); load_gdt(unmapped(), 0x7f); break;
	case FAULT_COUNT: break;
	}
	/* the tables are lost: out, before an exception needs them */
	call(passage, CO_CALL_CLOCK, 0, 0);
	asm volatile("sti");
}

void payload(struct co_passage *own)
{
	passage = own;
	random_state = RESULT->count;
	set_up_cpu(passage);
	RESULT->value[FAULT_VALUE_STAGE] = 1;
	inject(RESULT->value[FAULT_VALUE_CLASS]);
	RESULT->value[FAULT_VALUE_STAGE] = 2;
	for (unsigned int i = 0; i < CROSSINGS; i++)
		RESULT->done += safe_call() != 0;
	asm volatile("cli");
	power_off(passage);
}
