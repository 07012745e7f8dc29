// SPDX-License-Identifier: GPL-2.0
/*
 * For the guest: `echo HOW SEED >/proc/injure` does its kernel the harm named HOW, the details drawn from SEED; guest_faults.sh lists what
 * each may end in. What the kernel does not notice it survives; what it does ends the process that wrote, and the next may try another.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/desc.h>
#include <asm/io.h>

#include "injure.h"

static u64 seed;
static struct co_boot_info *boot_info; /* the graft's */
struct co_passage *passage;
struct co_device *devices;
unsigned int device_count;
static unsigned long (*symbol)(const char *name);

/* ---- chance: SplitMix64, as in the payloads --------------------------------------------------------- */

u64 random_bits(void)
{
	u64 bits = seed += 0x9e3779b97f4a7c15;

	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
	return bits ^ bits >> 31;
}

u64 below(u64 limit)
{
	return random_bits() % limit;
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

static u64 noncanonical(void)
{
	return (random_bits() & 0x3fffffffffffffff) | 0x4000000000000000;
}

/* PML4 slots 496 to 503 are no one's in Linux */
static u64 unmapped(void)
{
	return 0xfffff80000000000 + below(0x40000000000);
}

/* A word of the guest's own memory, by the direct map */
static u64 own_memory(void)
{
	unsigned long frame;

	do
		frame = below(PFN_UP(virt_to_phys(high_memory - 1)));
	while (!pfn_valid(frame) || frame < 0x100);
	return (u64)__va(PFN_PHYS(frame)) + (below(PAGE_SIZE) & ~7ull);
}

#define GRAFT_TEXT_BYTES 0x2000 /* at least */

static u64 graft_text(void)
{
	return CO_GRAFT_VIRT + below(GRAFT_TEXT_BYTES);
}

static u64 *writable(u64 graft_address)
{
	return __va(boot_info->graft_phys + (graft_address - CO_GRAFT_VIRT));
}

/* ---- writes, reads, jumps ------------------------------------------------------------------------------ */

static void write_to(u64 address)
{
	WRITE_ONCE(*(u64 *)address, random_bits());
}

static void jump_to(u64 address)
{
	asm volatile("call *%0" : : "r"(address) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}

static void write_null(void) { write_to(below(PAGE_SIZE - 8)); }
static void write_noncanonical(void) { write_to(noncanonical()); }
static void write_unmapped(void) { write_to(unmapped()); }
static void write_random(void) { write_to(random_bits()); }
static void read_unmapped(void) { READ_ONCE(*(u64 *)unmapped()); }
static void jump_null(void) { jump_to(below(PAGE_SIZE)); }
static void jump_noncanonical(void) { jump_to(noncanonical()); }
static void jump_unmapped(void) { jump_to(unmapped()); }
static void jump_random(void) { jump_to(random_bits()); }
static void jump_data(void) { jump_to(own_memory()); }
static void write_kernel_text(void) { write_to((u64)symbol("_stext") + below((u64)symbol("_etext") - (u64)symbol("_stext"))); }
static void jump_kernel_text(void) { jump_to((u64)symbol("_stext") + below((u64)symbol("_etext") - (u64)symbol("_stext"))); }

/* Many: one word of a hundred megabytes is hardly ever one that matters */
static void write_memory(void)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		write_to(own_memory());
}

static void flip_memory(void)
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		*(u64 *)own_memory() ^= 1ull << below(64);
}

/* A range that some length or pointer got wrong */
static void fill_memory(void)
{
	memset((void *)own_memory(), random_bits(), below(256 << 10));
}

/* ---- what the CPU itself reads -------------------------------------------------------------------------- */

static void write_idt(void)
{
	struct desc_ptr idt;

	store_idt(&idt);
	write_to(idt.address + (below(idt.size + 1) & ~7ull));
}

static void write_gdt(void)
{
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	write_to(gdt.address + (below(gdt.size + 1) & ~7ull));
}

static void write_gdt_alias(void)
{
	write_to((u64)get_cpu_gdt_rw(0) + below(GDT_ENTRIES) * 8);
}

static void write_tss(void)
{
	write_to((u64)get_cpu_entry_area(0) + offsetof(struct cpu_entry_area, tss) + (below(0x60) & ~7ull));
}

static void write_tss_alias(void)
{
	write_to((u64)per_cpu_ptr((void *)symbol("cpu_tss_rw"), 0) + (below(0x60) & ~7ull));
}

/* An entry somewhere between the root of this process and a page */
static void write_page_tables(void)
{
	u64 table = __read_cr3() & CR3_ADDR_MASK, *entry;
	unsigned int level = 5 + !!(__read_cr4() & X86_CR4_LA57) - 1, target = 1 + below(level), i;

	for (;; level--) {
		entry = (u64 *)__va(table) + 256 + below(256);
		for (i = 0; i < 512 && !(*entry & _PAGE_PRESENT); i++)
			entry = (u64 *)__va(table) + (entry - (u64 *)__va(table) + 1) % 512;
		if (level <= target || *entry & _PAGE_PSE || !(*entry & _PAGE_PRESENT))
			break;
		table = *entry & PTE_PFN_MASK;
	}
	*entry = random_bits();
	__write_cr4(__read_cr4() ^ X86_CR4_PGE), __write_cr4(__read_cr4() | X86_CR4_PGE);
}

/* ---- the passage and the graft ---------------------------------------------------------------------------- */

#define GUEST_WORDS offsetof(struct co_passage, passage_cr4_set) /* of the passage page; behind them are the driver's */

static void write_passage_words(void) { write_to((u64)passage + (below(GUEST_WORDS) & ~7ull)); }
static void write_driver_words(void) { write_to((u64)passage + GUEST_WORDS + (below(sizeof(*passage) - GUEST_WORDS) & ~7ull)); }
static void write_guest_state(void) { write_to((u64)&passage->guest + (below(sizeof(passage->guest)) & ~7ull)); }
static void write_switch_code(void) { write_to(CO_PASSAGE_VIRT + below(PAGE_SIZE - 8)); }
static void write_graft_text(void) { write_to(graft_text()); }
static void write_graft_data(void) { write_to((u64)boot_info + (below(16 * PAGE_SIZE) & ~7ull)); }
static void jump_graft_text(void) { jump_to(graft_text()); }

/* ---- the stack --------------------------------------------------------------------------------------------- */

static noinline u64 recurse(volatile u64 depth)
{
	return depth == ~0ull ? 0 : recurse(depth + 1) + depth;
}

static void stack_overflow(void) { recurse(0); }
static void lose_stack(u64 where) { asm volatile("mov %0, %%rsp; push $1" : : "r"(where) : "memory"); }
static void stack_lost(void) { lose_stack(below(2) ? noncanonical() : unmapped()); }
static void stack_elsewhere(void) { lose_stack(own_memory()); }

static void bad_return(void)
{
	u64 frame[5] = { random_bits(), random_bits() & 0xffff, random_bits() & 0x3f7fd7, random_bits(), random_bits() & 0xffff };

	asm volatile("mov %0, %%rsp; iretq" : : "r"(frame) : "memory");
}

/* ---- exceptions ---------------------------------------------------------------------------------------------- */

static void invalid_opcode(void) { asm volatile("ud2"); }
static void divide(void) { asm volatile("divl %0" : : "r"(0), "a"(1), "d"(0)); }
static void breakpoint(void) { asm volatile("int3"); }
static void bad_vector(void) { asm volatile("int $0x1e"); }
static void bug(void) { BUG(); }
static void panic_now(void) { panic("injured on purpose, %llx", random_bits()); }

static void oops_in_interrupt_on(void *unused)
{
	write_null();
}

static void oops_in_interrupt(void)
{
	smp_call_function_single(1, oops_in_interrupt_on, NULL, 1);
}

/* ---- never again ----------------------------------------------------------------------------------------------- */

static DEFINE_RAW_SPINLOCK(first_lock);
static DEFINE_RAW_SPINLOCK(second_lock);
static atomic_t holders;

static void spin(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static void stay_halted(void *unused)
{
	for (;;)
		asm volatile("cli; hlt");
}

static void lock_twice_on(void *unused)
{
	local_irq_disable();
	raw_spin_lock(&first_lock);
	raw_spin_lock(&first_lock);
}

static void cross_locks_on(void *unused)
{
	bool other = raw_smp_processor_id();

	local_irq_disable();
	raw_spin_lock(other ? &first_lock : &second_lock);
	for (atomic_inc(&holders); atomic_read(&holders) < 2;)
		cpu_relax();
	raw_spin_lock(other ? &second_lock : &first_lock);
}

static void everywhere(smp_call_func_t function)
{
	on_each_cpu(function, NULL, 0); /* the others first */
}

static void spin_one(void) { spin(NULL); }
static void spin_all(void) { everywhere(spin); }
static void halt_one(void) { stay_halted(NULL); }
static void halt_all(void) { everywhere(stay_halted); }
static void lock_twice(void) { lock_twice_on(NULL); }
static void lock_twice_all(void) { everywhere(lock_twice_on); }
static void cross_locks(void) { everywhere(cross_locks_on); }

/* Interrupts stay on: no hang for the watchdog, but nothing that this CPU must answer is ever answered */
static void wait_for_stopped_cpu(void)
{
	smp_call_function_single(1, spin, NULL, 0);
	msleep(50); /* else it would run the second one first, since somebody waits for that */
	smp_call_function_single(1, oops_in_interrupt_on, NULL, 1);
}

/* What the kernel's own entries for exceptions and NMIs need first: who and where they are */
static void lose_percpu(void)
{
	static const char *const names[] = { "pcpu_hot", "cpu_number", "current_task", "cpu_current_top_of_stack", "__preempt_count" };
	unsigned int i;

	local_irq_disable();
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		void *variable = (void *)symbol(names[i]);

		if (variable)
			*(u64 *)this_cpu_ptr((void __percpu *)variable) = random_bits();
	}
	asm volatile("1: pause; jmp 1b");
}

/* The NMI handler becomes: stay. Or: return from the NMI, so that the next one can come, and stay. */
static void stay_in_nmi(void)
{
	for (;;)
		cpu_relax();
}

static void return_and_stay(void)
{
	asm volatile("mov %%rsp, %%rax; push %0; push %%rax; pushf; push %1; lea 1f(%%rip), %%rax; push %%rax; iretq; 1:"
		     : : "i"(__KERNEL_DS), "i"(__KERNEL_CS) : "rax", "memory");
	stay_in_nmi();
}

static void replace_nmi_handler(u64 target)
{
	u8 *entry = (u8 *)symbol("exc_nmi"), *handler, *alias;
	s32 distance;

	while (*entry != 0xe9) /* behind endbr64: the loader's jump to the graft */
		entry++;
	memcpy(&distance, entry + 1, 4);
	handler = entry + 5 + distance;
	alias = (u8 *)writable((u64)handler);
	alias[0] = 0x48, alias[1] = 0xb8; /* mov $target, %rax */
	memcpy(alias + 2, &target, 8);
	alias[10] = 0xff, alias[11] = 0xe0; /* jmp *%rax */
}

static void nmi_handler_spins(void)
{
	replace_nmi_handler((u64)return_and_stay);
	spin(NULL);
}

static void nmi_handler_never_returns(void)
{
	replace_nmi_handler((u64)stay_in_nmi);
	spin(NULL);
}

/* ---- memory runs out ---------------------------------------------------------------------------------------------- */

static void out_of_memory(void)
{
	while (alloc_pages(GFP_KERNEL, 0)) /* kills one process after the other, then panics */
		cond_resched();
}

static void no_atomic_memory(void)
{
	while (alloc_pages(GFP_ATOMIC | __GFP_NOWARN | __GFP_MEMALLOC, 0)) /* the reserves, too */
		;
}

/* ------------------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*act)(void);
} injuries[] = {
#define INJURY(name) { #name, name }
	INJURY(write_null), INJURY(write_noncanonical), INJURY(write_unmapped), INJURY(write_random), INJURY(read_unmapped),
	INJURY(jump_null), INJURY(jump_noncanonical), INJURY(jump_unmapped), INJURY(jump_random), INJURY(jump_data),
	INJURY(write_kernel_text), INJURY(jump_kernel_text), INJURY(write_memory), INJURY(flip_memory), INJURY(fill_memory),
	INJURY(write_idt), INJURY(write_gdt), INJURY(write_gdt_alias), INJURY(write_tss), INJURY(write_tss_alias), INJURY(write_page_tables),
	INJURY(write_passage_words), INJURY(write_driver_words), INJURY(write_guest_state), INJURY(write_switch_code),
	INJURY(write_graft_text), INJURY(write_graft_data), INJURY(jump_graft_text),
	INJURY(stack_overflow), INJURY(stack_lost), INJURY(stack_elsewhere), INJURY(bad_return),
	INJURY(invalid_opcode), INJURY(divide), INJURY(breakpoint), INJURY(bad_vector), INJURY(bug), INJURY(panic_now), INJURY(oops_in_interrupt),
	INJURY(spin_one), INJURY(spin_all), INJURY(halt_one), INJURY(halt_all), INJURY(lock_twice), INJURY(lock_twice_all), INJURY(cross_locks), INJURY(lose_percpu),
	INJURY(wait_for_stopped_cpu), INJURY(nmi_handler_spins), INJURY(nmi_handler_never_returns),
	INJURY(out_of_memory), INJURY(no_atomic_memory),
	INJURY(virtqueue_pages), INJURY(virtqueue_rings), INJURY(virtqueue_all), INJURY(virtqueue_driver),
};

static int __init find_places(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	struct co_transport *transport;
	u64 page;
	int error = register_kprobe(&probe);

	if (error)
		return error;
	symbol = (void *)probe.addr;
	unregister_kprobe(&probe);
	for (page = CO_GRAFT_VIRT; page < CO_GRAFT_VIRT + 0x40000 && !boot_info; page += PAGE_SIZE) {
		u64 magic;

		if (copy_from_kernel_nofault(&magic, (void *)page, sizeof(magic)) == 0 && magic == CO_BOOT_INFO_MAGIC)
			boot_info = (struct co_boot_info *)page;
	}
	if (!boot_info)
		return -ENOENT;
	passage = (struct co_passage *)boot_info->passages;
	if (boot_info->transport) {
		transport = __va(boot_info->transport);
		devices = (struct co_device *)(transport + 1);
		device_count = transport->devices;
	}
	return 0;
}

static ssize_t injure(struct file *file, const char __user *text, size_t bytes, loff_t *offset)
{
	char line[64] = "", how[32];
	unsigned int i;

	if (bytes >= sizeof(line) || copy_from_user(line, text, bytes) || sscanf(line, "%31s %llu", how, &seed) != 2)
		return -EINVAL;
	set_cpus_allowed_ptr(current, cpumask_of(0));
	for (i = 0; i < ARRAY_SIZE(injuries); i++) {
		if (strcmp(injuries[i].name, how) == 0) {
			pr_emerg("injure: %s %llu\n", how, seed);
			injuries[i].act();
			return bytes;
		}
	}
	return -EINVAL;
}

static const struct proc_ops injure_file = { .proc_write = injure };

static int __init injure_init(void)
{
	int error = find_places();

	if (error)
		return error;
	return proc_create("injure", 0200, NULL, &injure_file) ? 0 : -ENOMEM;
}
module_init(injure_init);

MODULE_DESCRIPTION("A guest's kernel that injures itself");
MODULE_LICENSE("GPL");
