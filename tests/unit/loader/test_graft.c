// SPDX-License-Identifier: GPL-2.0
// A graft object that does nothing but hold one of everything that the linker must get right. Never run:
// the tests look at the bytes. Built freestanding with -mcmodel=kernel, as kbuild would.
#include <colinux/boot_info.h>
#include <colinux/graft_object.h>
#include <colinux/passage.h>

#define PAGE __attribute__((aligned(4096)))

#ifdef REAL_KERNEL
#define kernel_function native_stop_other_cpus
#define PER_CPU_VARIABLE "this_cpu_off"
#define EXPECT_FUNCTION 0
#define FUNCTION_BYTES 0
#else
#define PER_CPU_VARIABLE "current_task"
#define EXPECT_FUNCTION CO_FIXUP_EXPECT
#define FUNCTION_BYTES 0x000ff7e8fa1e0ff3 /* endbr64; call __fentry__, as fake_kernel.cpp makes it */
#endif

extern int kernel_function(void);
extern char pv_ops[], level2_fixmap_pgt[], secondary_startup_64[];
extern char not_in_any_kernel[] __attribute__((weak));

__asm__(".text\n"
	".globl co_entry, co_early_debug, co_early_breakpoint, co_early_nmi, co_early_mce, reads_per_cpu\n"
	"co_entry: jmp *%rdi\n"
	"co_early_debug: iretq\n"
	"co_early_breakpoint: iretq\n"
	"co_early_nmi: iretq\n"
	"co_early_mce: iretq\n"
	"reads_per_cpu: movq %gs:" PER_CPU_VARIABLE ", %rax\n"
	"ret\n"
	".section .data\n");

PAGE struct co_boot_info co_boot_info;
co_u64 co_early_idt[40];

int calls_the_kernel(void)
{
	return kernel_function() + 1;
}

void *const constant_pointer = pv_ops;
void *variable_pointer = &variable_pointer;
void *absent_pointer = not_in_any_kernel;

__attribute__((section(".modinfo"), used)) static const char modinfo[] =
	"colinux_graft=4\0vermagic=RELEASE________________________________ SMP preempt mod_unload";

__attribute__((section(".colinux.fixups"), used)) static const struct co_graft_fixup fixups[] = {
	{CO_FIXUP_PTE, 0, (co_u64)(level2_fixmap_pgt + 508 * 8), CO_PTE_GRAFT, 0},
	{CO_FIXUP_PTE, 0, (co_u64)(level2_fixmap_pgt + 509 * 8), CO_PTE_PASSAGE, 0},
	{CO_FIXUP_WRITE64, CO_FIXUP_OPTIONAL, (co_u64)(not_in_any_kernel + 8), 1, 0},
	{CO_FIXUP_KEEP_CR4, 0, (co_u64)secondary_startup_64, 0x400, 0},
	{CO_FIXUP_JUMP, CO_FIXUP_MULTI_CPU | EXPECT_FUNCTION, (co_u64)kernel_function, (co_u64)calls_the_kernel, FUNCTION_BYTES},
	{CO_FIXUP_GATE, 0, (co_u64)(pv_ops + 16), (co_u64)calls_the_kernel, 0},
#ifndef REAL_KERNEL
	{CO_FIXUP_WRITE64, CO_FIXUP_EXPECT, (co_u64)pv_ops, (co_u64)&variable_pointer, 0},
#endif
};

__attribute__((section(".colinux.layout"), used)) static const struct co_graft_layout layouts[] = {
#ifdef REAL_KERNEL
	{"list_head", "prev", 8, 8},
	{"list_head", "", 0, 16},
#else
	{"pv_cpu_ops", "cpuid", 8, 8},
#endif
	{"enum cpuhp_state", "CPUHP_OFFLINE", 0, 0},
};
