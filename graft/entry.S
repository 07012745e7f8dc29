/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The graft's few instructions that are not C: the guest's first one, the gates for NMI and machine check
 * before the kernel has its own (and IST stacks), and what the loader fills.
 *
 * co_early_nmi, co_early_mce, co_early_fault: may interrupt the kernel at any instruction of its early boot, also before
 * it has a GDT, a GS base or an IDT of its own. IF = 0, the interrupted stack, CR3 of the kernel. Nothing
 * but the caller-saved registers is touched; an NMI inside is blocked until the host has run an IRET and
 * then nests here, which the saved mailbox allows.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/ibt.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include <colinux/boot_info.h>
#include <colinux/passage.h>

	.text
/* RDI = physical startup_64, RSI = physical boot_params; both identity-mapped */
	.globl co_entry
co_entry:
	ENDBR
	jmp *%rdi
	int3

.macro EARLY_GATE name call
	.globl \name
	.balign 16
\name:
	ENDBR
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	cld
	movl $-1, %edi
	movl $__CPUNODE_SEG, %eax /* its limit holds the CPU number once this CPU has set it up */
	lsl %eax, %ecx
	jnz 1f
	movl %ecx, %edi
	andl $0xfff, %edi
1:	movl $\call, %esi
	call co_early_exception
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	iretq
.endm

/* The same for #DB and #BP, which a debugger wants to see with all registers: struct pt_regs */
.macro EARLY_DEBUG_GATE name vector
	.globl \name
	.balign 16
\name:
	ENDBR
	pushq $-1
	.irp register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq %\register
	.endr
	cld
	movl $-1, %edi
	movl $__CPUNODE_SEG, %eax
	lsl %eax, %ecx
	jnz 1f
	movl %ecx, %edi
	andl $0xfff, %edi
1:	movl $\vector, %esi
	movq %rsp, %rdx
	call co_early_debug_exception
	.irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	popq %\register
	.endr
	addq $8, %rsp
	iretq
.endm

EARLY_DEBUG_GATE co_early_debug X86_TRAP_DB
EARLY_DEBUG_GATE co_early_breakpoint X86_TRAP_BP
EARLY_GATE co_early_nmi CO_CALL_NMI
EARLY_GATE co_early_mce CO_CALL_MCE
EARLY_GATE co_early_fault CO_CALL_PANIC /* any other exception there; does not return. An error code is not missed. */

/* All returns of the graft end here. co_choose_return_thunk() makes it a jump to the kernel's thunk. */
	.globl __x86_return_thunk
	.balign 64
__x86_return_thunk:
	ret
	int3
	.fill 62, 1, 0xcc

/* The driver's switch code. A symbol, so that calls of it are direct: a call through a pointer would go by the kernel's thunk for
 * indirect calls, and in startup_64 only the graft and the passage window are mapped where they were linked. */
	.globl co_passage_switch
	.set co_passage_switch, CO_PASSAGE_VIRT

	.section .data.boot, "aw"
	.globl co_boot_info
	.balign CO_PAGE_SIZE
co_boot_info:
	.fill CO_PAGE_SIZE, 1, 0
	.globl co_early_idt
	.balign 16
co_early_idt:
	.fill 320, 1, 0

	.section .note.GNU-stack, "", @progbits
