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

/*
 * NMI, from the kernel's first own gates on. Of the kernel's entry code nothing runs: it needs GS, per-CPU data, kernel text, and
 * where a wild write has hit one of these it faults on and on, with NMIs blocked; nobody gets the CPU back then. This needs
 * the IDT, the GDT (its CPU number), TSS, the NMI stack and the two windows. Without PTI only: those are not in
 * the user page tables. From user mode the kernel's entry runs, which knows what to do against speculation.
 *
 * Nesting: the host's IRET unblocks NMIs long before we return, and the next one's frame overwrites ours. So ours has been copied
 * away, to where IRET takes it from; nothing of the copies is changed until it has. An NMI amid all this needs no return to
 * where it came: it begins again with the copies, which brings it to the same end. (Not covered: a machine check amid
 * the copying, whose IRET lets the next NMI in there; one amid the return, when an NMI comes in its handler and takes the copies.)
 *
 *   top of the stack - 40    what the CPU pushed        later, below: what the switch pushes
 *                    - 64    RDX, RCX, RAX, of the first as of the nested one
 *                    - 1088  struct pt_regs of what the first one interrupted, then its mailbox
 */
#define COPIES_BELOW 1024 /* room for asm_exc_nmi between: an NMI in the handler of a machine check that came amid this goes there */
#define REGS_BYTES (21 * 8)
#define REGS_FLAGS (18 * 8)
#define FRAME_RIP 0
#define FRAME_CS 8
#define FRAME_RSP 24
#define FRAME_SS 32
#define SCRATCH (3 * 8)
#define EFLAGS_IF_BIT 9
#define PAGE_BITS 12

	.globl co_nmi
	.balign 16
co_nmi:
	ENDBR
	testb $3, FRAME_CS(%rsp)
	jnz asm_exc_nmi
	pushq %rax
	pushq %rcx
	pushq %rdx
	movl $__CPUNODE_SEG, %eax
	lsl %eax, %ecx
	jnz .Lkernels_entry
	andl $VDSO_CPUNODE_MASK, %ecx
	shlq $PAGE_BITS, %rcx
	addq co_boot_info + CO_BOOT_INFO_PASSAGES(%rip), %rcx
	cmpq $0, CO_PASSAGE_IN_NMI(%rcx)
	jne .Lnested
	leaq .Lreturn(%rip), %rdx
	cmpq %rdx, SCRATCH + FRAME_RIP(%rsp)
	jb .Lfirst
	leaq .Lreturn_end(%rip), %rdx
	cmpq %rdx, SCRATCH + FRAME_RIP(%rsp)
	jb .Lagain

.Lfirst:
	subq $COPIES_BELOW, %rsp
	.rept 5
	pushq COPIES_BELOW + SCRATCH + FRAME_SS(%rsp)
	.endr
	pushq $-1
	pushq %rdi
	pushq %rsi
	pushq COPIES_BELOW + 8 * 8(%rsp) /* RDX */
	pushq COPIES_BELOW + 10 * 8(%rsp) /* RCX */
	pushq COPIES_BELOW + 12 * 8(%rsp) /* RAX */
	.irp register, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq %\register
	.endr
	.irp word, 6, 5, 4, 3, 2, 1, 0
	pushq CO_PASSAGE_MAILBOX + 8 * \word(%rcx)
	.endr
	movq $1, CO_PASSAGE_IN_NMI(%rcx)
	jmp .Lleave

.Lnested: /* or in a handler of a machine check that came amid this: then not on this stack */
	movq SCRATCH + FRAME_RSP(%rsp), %rdx
	xorq %rsp, %rdx
	shrq $PAGE_BITS, %rdx
	jnz .Lkernels_entry
.Lagain:
	subq $(COPIES_BELOW + REGS_BYTES + CO_PASSAGE_MAILBOX_BYTES), %rsp
	movq $1, CO_PASSAGE_IN_NMI(%rcx)

.Lleave:
	movq %rcx, %rbx
	leaq CO_PASSAGE_MAILBOX_BYTES + 1(%rsp), %rbp /* for unwinders: a frame pointer that is odd leads to struct pt_regs */
	movl $CO_CALL_NMI, CO_PASSAGE_MAILBOX(%rbx)
	movl CO_PASSAGE_MAILBOX_BYTES + REGS_FLAGS(%rsp), %eax
	shrl $EFLAGS_IF_BIT, %eax
	andl $1, %eax
	imull $CO_MAILBOX_INTERRUPTS_ON, %eax /* where any interrupt could have come the host may run others, too */
	movl %eax, CO_PASSAGE_MAILBOX + 4(%rbx)
	movq %rbx, %rdi
	leaq CO_PASSAGE_GUEST(%rbx), %rsi
	leaq CO_PASSAGE_HOST(%rbx), %rdx
	call co_passage_switch
	.irp word, 0, 1, 2, 3, 4, 5, 6
	popq CO_PASSAGE_MAILBOX + 8 * \word(%rbx)
	.endr
	movq $0, CO_PASSAGE_IN_NMI(%rbx)
.Lreturn:
	.irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	popq %\register
	.endr
	addq $8, %rsp
	iretq
.Lreturn_end:

.Lkernels_entry:
	popq %rdx
	popq %rcx
	popq %rax
	jmp asm_exc_nmi

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
