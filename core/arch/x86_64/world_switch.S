/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world_switch: one kernel leaves the CPU, the other continues where it left it.
 *
 *   void world_switch(struct co_passage *page, struct co_world *from, struct co_world *to)   (SysV ABI)
 *
 * The code is position-independent, lies in one page and exists twice: in the driver's text and, byte
 * for byte, in the guest's passage code page. The *transit* page tables map both copies and both views of
 * the data page, so CR3 can be exchanged under our feet:
 *
 *     "from" world          transit tables                "to" world
 *   1 lidt passage
 *   2 save, CR4 without PGE, PCIDE, CET
 *   3 lgdt passage
 *   4 mov cr3, transit
 *                           5 jump to the other copy
 *                           6 lidt, lgdt, stack: its view
 *                                                         7 CR0, CR3, CR2
 *                                                         8 TR, GDT, LDT, selectors, bases
 *                                                         9 CR4 (and CR3 again if PCIDE)
 *                                                        10 RSP, then IDT last
 *
 * In:  RDI, RSI, RDX as above, in the "from" world's addresses; any IF; a kernel stack with 128 bytes free.
 * Out: in the "to" world, everything as when that world called: callee-saved registers, RFLAGS, control
 *      registers, descriptor tables, selectors, bases. RAX RCX RDX RSI RDI R8-R11 are lost. FPU, debug
 *      registers and MSRs other than the three bases are the caller's business.
 *
 * NMI and #MC, step by step: before 1 and after 10 this world's own handler runs, on a sound stack and with
 * sound tables; it may even come through here itself (the guest's does), since nothing was saved before 1 and
 * nothing is read any more after 10. Between, the passage's handlers run: they find the data page through RDI,
 * which holds its address in a currently valid view at every instruction, set a flag and return. The stack is
 * this world's own, or the passage stack, and always mapped.
 * A selector that can no longer be loaded (its descriptor was changed after it was loaded) faults with
 * #GP/#NP: the handler continues at R15 and the register keeps its old content.
 */
#include "passage_offsets.h"
#include "annotations.h"

#define X86_EFLAGS_TF  (1 << 8)
#define X86_CR4_PGE    (1 << 7)
#define X86_CR4_VMXE   (1 << 13)
#define X86_CR4_FSGSBASE_BIT 16
#define X86_CR4_PCIDE_BIT 17
#define X86_CR4_PASSAGE_CLEAR ((1 << 7) | (1 << 17) | (1 << 23)) /* PGE, PCIDE, CET */
#define MSR_FS_BASE 0xc0000100 /* + 1: GS_BASE, + 2: KERNEL_GS_BASE */
#define TSS_LIMIT_IN_PASSAGE_GDT 0x70

	.section .text
	.balign 2048 /* so that it does not cross a page */
	.globl world_switch_begin
	.type world_switch_begin, @notype
world_switch_begin:
	CO_UNWIND_HINT
	endbr64
	pushfq
	cli
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15

	/* 1. No handler of this world from here on. */
	sidt	WORLD_IDTR + 6(%rsi)
	lidt	WORLD_PASSAGE_IDTR + 6(%rsi)

	/* 2. Save. The stack pointer only now: a nested passage of an NMI handler ended before. */
	movq	%rsp, WORLD_RSP(%rsi)
	leaq	PASSAGE_STACK_TOP(%rdi), %rsp
	sgdt	WORLD_GDTR + 6(%rsi)
	sldt	WORLD_LDTR(%rsi)
	movw	%ds, WORLD_DS(%rsi)
	movw	%es, WORLD_ES(%rsi)
	movw	%fs, WORLD_FS(%rsi)
	movw	%gs, WORLD_GS(%rsi)
	movw	%ss, WORLD_SS(%rsi)
	movq	%cr0, %rax
	movq	%rax, WORLD_CR0(%rsi)
	movq	%cr2, %rax
	movq	%rax, WORLD_CR2(%rsi)
	movq	%cr3, %rax
	movq	%rax, WORLD_CR3(%rsi)
	movq	%cr4, %rax
	movq	%rax, WORLD_CR4(%rsi)
	andq	$~X86_CR4_PASSAGE_CLEAR, %rax
	orq	PASSAGE_CR4_SET(%rdi), %rax
	movq	%rax, %cr4

	/* The bases. SWAPGS is safe: the passage's handlers do not use GS. */
	btl	$X86_CR4_FSGSBASE_BIT, %eax
	jnc	.Lsave_bases_msr
	rdfsbase %rax
	movq	%rax, WORLD_FS_BASE(%rsi)
	rdgsbase %rax
	movq	%rax, WORLD_GS_BASE(%rsi)
	swapgs
	rdgsbase %rax
	movq	%rax, WORLD_KERNEL_GS_BASE(%rsi)
	jmp	.Lsave_tss
.Lsave_bases_msr:
	movq	%rdx, %r8
	movl	$MSR_FS_BASE, %ecx
	leaq	WORLD_FS_BASE(%rsi), %r9
1:	rdmsr
	movl	%eax, (%r9)
	movl	%edx, 4(%r9)
	incl	%ecx
	addq	$8, %r9
	cmpl	$MSR_FS_BASE + 3, %ecx
	jne	1b
	movq	%r8, %rdx

	/* The TSS descriptor, made available again, goes to the passage GDT at its own index: LTR from there
	 * on the way back writes the busy bit into our copy and leaves the kernel's (read-only) GDT alone. A
	 * kernel that has not loaded its TSS yet shows a selector of the other world: TR = 0, not restored. */
.Lsave_tss:
	str	%eax
	movw	$0, WORLD_TR(%rsi)
	movzwl	%ax, %eax
	cmpl	$TSS_LIMIT_IN_PASSAGE_GDT, %eax
	ja	2f
	leal	15(%rax), %ecx
	cmpw	%cx, WORLD_GDTR + 6(%rsi)
	jb	2f
	movq	WORLD_GDTR + 8(%rsi), %r8
	addq	%rax, %r8
	movb	5(%r8), %cl
	andb	$0x9f, %cl
	cmpb	$0x8b, %cl /* present, busy 64-bit TSS; SDM Vol. 3, 3.5 */
	jne	2f
	movw	%ax, WORLD_TR(%rsi)
	movq	(%r8), %rcx
	btrq	$41, %rcx
	movq	%rcx, WORLD_PASSAGE_GDT(%rsi, %rax)
	movq	8(%r8), %rcx
	movq	%rcx, WORLD_PASSAGE_GDT + 8(%rsi, %rax)
2:
	/* 3, 4. This world's GDT is not mapped any more under the next CR3. */
	lgdt	WORLD_PASSAGE_GDTR + 6(%rsi)
	movq	PASSAGE_TRANSIT_CR3(%rdi), %rax
	movq	%rax, %cr3

	/* 5. The same page at the other world's address. */
	movq	WORLD_ARRIVAL(%rdx), %rax
	movq	WORLD_PAGE(%rdx), %rcx
	subq	%rdi, %rdx
	addq	%rcx, %rdx
	movq	%rcx, %rdi
	CO_INDIRECT_JUMP_SAFE
	jmp	*%rax
world_switch_arrival:
	CO_UNWIND_HINT
	endbr64

	/* 6. */
	lidt	WORLD_PASSAGE_IDTR + 6(%rdx)
	lgdt	WORLD_PASSAGE_GDTR + 6(%rdx)
	leaq	PASSAGE_STACK_TOP(%rdi), %rsp

	/* 7. CR0 before CR4: CET needs WP. PCID bits of CR3 mean something else until PCIDE is on. */
	movq	WORLD_CR0(%rdx), %rax
	movq	%rax, %cr0
	movq	WORLD_CR4(%rdx), %r9
	movq	WORLD_CR3(%rdx), %rax
	btl	$X86_CR4_PCIDE_BIT, %r9d
	jnc	3f
	andq	$~0xfff, %rax
3:	movq	%rax, %cr3
	movq	WORLD_CR2(%rdx), %rax
	movq	%rax, %cr2

	/* 8. */
	movzwl	WORLD_TR(%rdx), %eax
	testl	%eax, %eax
	jz	4f
	ltr	%ax
4:	lgdt	WORLD_GDTR + 6(%rdx)
	leaq	5f(%rip), %r15
	movzwl	WORLD_LDTR(%rdx), %eax
	sldt	%ecx
	orw	%ax, %cx
	jz	5f
	lldt	%ax
5:	leaq	6f(%rip), %r15
	movw	WORLD_SS(%rdx), %ax
	movw	%ax, %ss
6:	leaq	7f(%rip), %r15
	movw	WORLD_DS(%rdx), %ax
	movw	%ds, %cx
	orw	%ax, %cx
	jz	7f
	movw	%ax, %ds
7:	leaq	8f(%rip), %r15
	movw	WORLD_ES(%rdx), %ax
	movw	%es, %cx
	orw	%ax, %cx
	jz	8f
	movw	%ax, %es
8:	leaq	9f(%rip), %r15
	movw	WORLD_FS(%rdx), %ax
	movw	%fs, %cx
	orw	%ax, %cx
	jz	9f
	movw	%ax, %fs
9:	leaq	10f(%rip), %r15
	movw	WORLD_GS(%rdx), %ax
	movw	%gs, %cx
	orw	%ax, %cx
	jz	10f
	movw	%ax, %gs
10:
	movq	%cr4, %r10
	btl	$X86_CR4_FSGSBASE_BIT, %r10d
	jnc	.Lload_bases_msr
	movq	WORLD_FS_BASE(%rdx), %rax
	wrfsbase %rax
	movq	WORLD_KERNEL_GS_BASE(%rdx), %rax
	wrgsbase %rax
	swapgs
	movq	WORLD_GS_BASE(%rdx), %rax
	wrgsbase %rax
	jmp	.Lload_cr4
.Lload_bases_msr:
	movq	%rdx, %r8
	movl	$MSR_FS_BASE, %ecx
	leaq	WORLD_FS_BASE(%rdx), %r11
11:	movl	(%r11), %eax
	movl	4(%r11), %edx
	wrmsr
	incl	%ecx
	addq	$8, %r11
	cmpl	$MSR_FS_BASE + 3, %ecx
	jne	11b
	movq	%r8, %rdx

	/* 9. VMXE stays what it is on this CPU: clearing it while VMX is on is #GP, and only the host decides. */
.Lload_cr4:
	andl	$X86_CR4_VMXE, %r10d
	andq	$~X86_CR4_VMXE, %r9
	orq	%r10, %r9
	movq	%r9, %cr4
	btl	$X86_CR4_PCIDE_BIT, %r9d
	jnc	12f
	movq	WORLD_CR3(%rdx), %rax
	movq	%rax, %cr3
12:
	/* 10. */
	movq	WORLD_RSP(%rdx), %rsp
	lidt	WORLD_IDTR + 6(%rdx)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popfq
	CO_RETURN_SAFE
	ret
	int3

/* The first arrival of a vCPU "returns" to here from a hand-made frame on the passage page. */
world_switch_first_entry:
	CO_UNWIND_HINT
	movq	%rbx, %rdi
	movq	%rbp, %rsi
	movq	%r12, %rsp
	CO_INDIRECT_JUMP_SAFE
	jmp	*%r13

world_switch_nmi:
	CO_UNWIND_HINT
	movl	$1, PASSAGE_SAW_NMI(%rdi)
	iretq

world_switch_mce:
	CO_UNWIND_HINT
	movl	$1, PASSAGE_SAW_MCE(%rdi)
	iretq

world_switch_debug: /* a breakpoint, or TF, set by a world that debugs itself: the latter only until here, or the other would have it */
	CO_UNWIND_HINT
	andl	$~X86_EFLAGS_TF, 16(%rsp)
	iretq

world_switch_bad_selector:
	CO_UNWIND_HINT
	addq	$8, %rsp /* error code */
	movq	%r15, (%rsp)
	iretq
world_switch_end:

/* Where things lie, from the start: struct WorldSwitchOffsets in world_switch.hpp */
	.section .rodata
	.balign 4
	.globl world_switch_offsets
world_switch_offsets:
	.long world_switch_arrival - world_switch_begin
	.long world_switch_first_entry - world_switch_begin
	.long world_switch_nmi - world_switch_begin
	.long world_switch_mce - world_switch_begin
	.long world_switch_debug - world_switch_begin
	.long world_switch_bad_selector - world_switch_begin
	.long world_switch_end - world_switch_begin
	.section .note.GNU-stack, "", @progbits
