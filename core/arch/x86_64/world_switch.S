/* SPDX-License-Identifier: GPL-2.0 */
/*
 * world_switch: one kernel leaves the CPU, the other continues where it left it.
 *
 *   void world_switch(struct co_passage *page, struct co_world *from, struct co_world *to)   (SysV ABI)
 *
 * Code, data page and passage stack lie at the same virtual addresses in both kernels (passage.h), so CR3 is exchanged under
 * our feet and the next instruction is where it was:
 *
 *     "from" world                                  "to" world
 *   1 lidt passage, save RSP, passage stack
 *   2 save GDTR, SS, CR0, CR3, TSS descriptor
 *   3 lgdt the other's passage GDT
 *   4 CR4: the other's without PGE and CET
 *   5 save GS base; CR3  - - - - - - - - - - - - ->
 *                                                 6 CR0, TR, GDT, SS
 *                                                 7 what only user mode sees, if asked for
 *                                                 8 GS base, CR4
 *                                                 9 DR7, RSP, then IDT last
 *
 * In:  RDI, RSI, RDX as above, page and worlds in the window; any IF; a kernel stack with 128 bytes free.
 * Out: in the "to" world, as when that world called: callee-saved registers, RFLAGS, CR0, CR3, CR4, DR7, descriptor tables, TR,
 *      GS base. RAX RCX RDX RSI RDI R8-R11 are lost. The rest is the caller's business (core/host_cpu_state.cpp).
 *
 * TLB: clearing CR4.PGE in step 4 empties it, global and tagged entries too. PCIDE changes there as well: it may come on,
 * since only a kernel that does not use PCIDs (the guest) leaves with CR3's low bits clear, and CR3 gets its tag in step 5.
 *
 * NMI and #MC, step by step: before 1 and after 9 this world's own handler runs, on a sound stack and with
 * sound tables; it may even come through here itself (the guest's does), since nothing was saved before 1 and
 * nothing is read any more after 9. Between, the passage's handlers run: they find the data page through RDI,
 * set a flag and return. IDT, GDT and stack are the passage's, mapped on both sides of step 5.
 *
 * Any other fault between means that a state cannot be loaded: the handler continues at R15. In step 7 that is the next
 * selector (a descriptor may have changed since a program loaded it; the register keeps its content), else
 * .Lbad_state, which goes (back) to the host and tells it.
 *
 * IBT: a host may run with it. CR4.CET is off from step 4 on, and in the guest; before, and after step 8, each handler is the target
 * of an indirect branch (SDM Vol. 1, 18.3) and begins with ENDBR64 like the entry. `ret` and IRET need none.
 */
#include "passage_offsets.h"
#include "annotations.h"

#define X86_CR4_VMXE   (1 << 13)
#define X86_CR4_PASSAGE_CLEAR ((1 << 7) | (1 << 23)) /* PGE, CET */
#define X86_EFLAGS_TF (1 << 8)
#define X86_EFLAGS_RF (1 << 16)
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define TSS_LIMIT_IN_PASSAGE_GDT 0x70
#define TSS_AVAILABLE 0x89 /* present, DPL 0, 64-bit TSS that LTR takes; SDM Vol. 3, 3.5 */
#define TSS_BUSY 0x8b

.macro WRITE_MSR msr, from /* RAX, RCX, R8; keeps RDX */
	movq	%rdx, %r8
	movl	$\msr, %ecx
	movl	\from, %eax
	movl	4 + \from, %edx
	wrmsr
	movq	%r8, %rdx
.endm

.macro LOAD_SELECTOR register, from, next
	leaq	\next(%rip), %r15
	movw	\from(%rdi), %ax
	movw	%\register, %cx
	orw	%ax, %cx
	jz	\next
	movw	%ax, %\register
.endm

	.section .text
	.balign 2048 /* so that it does not cross a page */
	.globl world_switch_begin
#ifdef __ELF__
	.type world_switch_begin, @notype
#endif
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
	leaq	.Lbad_state(%rip), %r15

	/* 1. No handler of this world from here on. RSP only now: a nested passage of an NMI handler ended before. */
	sidt	WORLD_IDTR + 6(%rsi)
	lidt	PASSAGE_IDTR + 6(%rdi)
	movq	%rsp, WORLD_RSP(%rsi)
	leaq	PASSAGE_STACK_TOP(%rdi), %rsp

	/* 2. The TSS descriptor goes to the passage GDT at its own index, made available again: LTR from there on the way
	 * back writes the busy bit into our copy and leaves the kernel's (read-only) GDT alone. */
	sgdt	WORLD_GDTR + 6(%rsi)
	movw	%ss, WORLD_SS(%rsi)
	movq	%cr0, %rax
	movq	%rax, WORLD_CR0(%rsi)
	movq	%cr3, %rax
	movq	%rax, WORLD_CR3(%rsi)
	str	%eax
	movq	WORLD_GDTR + 8(%rsi), %r8
	cmpw	%ax, WORLD_TR(%rsi)
	jne	.Lcopy_tss
	cmpq	%r8, WORLD_TSS_GDT(%rsi)
	jne	.Lcopy_tss
	movb	$TSS_AVAILABLE, WORLD_PASSAGE_GDT + 5(%rsi, %rax)
.Ltss_copied:

	/* 3. */
	lgdt	WORLD_PASSAGE_GDTR + 6(%rdx)

	/* 4. VMXE stays what it is on this CPU: clearing it while VMX is on is #GP, and only the host decides. */
	movq	%cr4, %rax
	movq	%rax, WORLD_CR4(%rsi)
	andl	$X86_CR4_VMXE, %eax
	movq	WORLD_CR4(%rdx), %r9
	andq	$~X86_CR4_VMXE, %r9
	orq	%rax, %r9
	movq	%r9, %rax
	andq	$~X86_CR4_PASSAGE_CLEAR, %rax
	movq	PASSAGE_CR4_SET(%rdi), %r10
	orq	%r10, %rax
	movq	%rax, %cr4

	/* 5. */
	testq	%r10, %r10
	jz	.Lsave_gs_by_msr
	rdgsbase %rax
	movq	%rax, WORLD_GS_BASE(%rsi)
.Lgs_saved:
	movq	WORLD_CR3(%rdx), %rax
	movq	%rax, %cr3

	/* 6. */
.Larrive:
	movq	WORLD_CR0(%rdx), %rax
	cmpq	WORLD_CR0(%rsi), %rax
	je	1f
	movq	%rax, %cr0
1:	movzwl	WORLD_TR(%rdx), %eax
	testl	%eax, %eax
	jz	2f
	ltr	%ax
2:	lgdt	WORLD_GDTR + 6(%rdx)
	movl	%ss, %eax
	cmpw	%ax, WORLD_SS(%rdx)
	jne	.Lload_ss
.Lss_loaded:

	/* 7. */
	cmpl	$0, USER_LOAD(%rdi)
	jne	.Lload_user_state

	/* 8. */
.Luser_state_loaded:
	testq	%r10, %r10
	jz	.Lload_gs_by_msr
	movq	WORLD_GS_BASE(%rdx), %rax
	wrgsbase %rax
.Lgs_loaded:
	movq	%r9, %cr4

	/* 9. Breakpoints of either kernel may lie on this code, which both have at this address: in force only while its own handler, or
	 * the passage's, meets them. */
	movq	%dr7, %rax
	movl	%eax, WORLD_DR7(%rsi)
	cmpl	%eax, WORLD_DR7(%rdx)
	jne	.Lload_dr7
.Ldr7_loaded:
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

/* ---- seldom ------------------------------------------------------------------------------ */

.Lcopy_tss: /* RAX = TR, R8 = base of the GDT. A kernel that has no TSS yet shows the other one's selector: TR = 0 */
	movw	$0, WORLD_TR(%rsi)
	cmpl	$TSS_LIMIT_IN_PASSAGE_GDT, %eax
	ja	.Ltss_copied
	leal	15(%rax), %ecx
	cmpw	%cx, WORLD_GDTR + 6(%rsi)
	jb	.Ltss_copied
	leaq	(%r8, %rax), %rcx
	movq	8(%rcx), %r10
	movq	(%rcx), %rcx
	movq	%rcx, %r11
	shrq	$40, %r11
	andb	$0x9f, %r11b
	cmpb	$TSS_BUSY, %r11b
	jne	.Ltss_copied
	btrq	$41, %rcx /* busy */
	movw	%ax, WORLD_TR(%rsi)
	movq	%r8, WORLD_TSS_GDT(%rsi)
	movq	%rcx, WORLD_PASSAGE_GDT(%rsi, %rax)
	movq	%r10, WORLD_PASSAGE_GDT + 8(%rsi, %rax)
	jmp	.Ltss_copied

.Lsave_gs_by_msr:
	movq	%rdx, %r8
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, WORLD_GS_BASE(%rsi)
	movl	%edx, 4 + WORLD_GS_BASE(%rsi)
	movq	%r8, %rdx
	jmp	.Lgs_saved

.Lload_gs_by_msr:
	WRITE_MSR MSR_GS_BASE, WORLD_GS_BASE(%rdx)
	jmp	.Lgs_loaded

.Lload_ss:
	leaq	3f(%rip), %r15
	movw	WORLD_SS(%rdx), %ss
3:	leaq	.Lbad_state(%rip), %r15
	jmp	.Lss_loaded

.Lload_dr7:
	movl	WORLD_DR7(%rdx), %eax
	movq	%rax, %dr7
	jmp	.Ldr7_loaded

.Lload_user_state: /* asked for by the host, of the guest: bases after the selectors, which change them */
	leaq	PASSAGE_HOST(%rdi), %rax
	cmpq	%rax, %rdx
	je	.Luser_state_loaded
	movl	$0, USER_LOAD(%rdi)
	leaq	3f(%rip), %r15
	movzwl	USER_LDTR(%rdi), %eax
	sldt	%ecx
	orw	%ax, %cx
	jz	3f
	lldt	%ax
3:	LOAD_SELECTOR ds, USER_DS, 5f
5:	LOAD_SELECTOR es, USER_ES, 6f
6:	LOAD_SELECTOR fs, USER_FS, 7f
7:	LOAD_SELECTOR gs, USER_GS, 8f
8:	leaq	.Lbad_state(%rip), %r15
	testq	%r10, %r10
	jz	9f
	movq	USER_FS_BASE(%rdi), %rax
	wrfsbase %rax
	movq	USER_KERNEL_GS_BASE(%rdi), %rax
	wrgsbase %rax
	swapgs /* the passage's handlers do not use GS */
	jmp	.Luser_state_loaded
9:	WRITE_MSR MSR_FS_BASE, USER_FS_BASE(%rdi)
	WRITE_MSR MSR_KERNEL_GS_BASE, USER_KERNEL_GS_BASE(%rdi)
	jmp	.Luser_state_loaded

.Lbad_state: /* The host's tables, or the guest's, are in force; CR4 is either's or between. PCIDE needs CR3 without a tag. */
	orq	$CO_SAW_BAD_STATE, PASSAGE_SAW(%rdi)
	leaq	PASSAGE_HOST(%rdi), %rdx
	leaq	PASSAGE_GUEST(%rdi), %rsi
	lgdt	WORLD_PASSAGE_GDTR + 6(%rdx)
	movzwl	WORLD_TR(%rdx), %eax
	movb	$TSS_AVAILABLE, WORLD_PASSAGE_GDT + 5(%rdx, %rax)
	movq	WORLD_CR3(%rdx), %rax
	andq	$~0xfff, %rax
	movq	%rax, %cr3
	movq	WORLD_CR4(%rdx), %r9
	movq	PASSAGE_CR4_SET(%rdi), %r10
	movq	%r9, %rax
	andq	$~X86_CR4_PASSAGE_CLEAR, %rax
	orq	%r10, %rax
	movq	%rax, %cr4
	movq	WORLD_CR3(%rdx), %rax
	movq	%rax, %cr3
	movq	WORLD_CR0(%rdx), %rax
	movq	%rax, %cr0
	jmp	.Larrive

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
	endbr64
	orq	$CO_SAW_NMI, PASSAGE_SAW(%rdi)
	iretq

world_switch_mce:
	CO_UNWIND_HINT
	endbr64
	orq	$CO_SAW_MCE, PASSAGE_SAW(%rdi)
	iretq

world_switch_debug: /* a world debugs itself: no stepping through the other one, no breakpoint on code here twice */
	CO_UNWIND_HINT
	endbr64
	andl	$~X86_EFLAGS_TF, 16(%rsp)
	orl	$X86_EFLAGS_RF, 16(%rsp)
	iretq

world_switch_fault:
	CO_UNWIND_HINT
	endbr64
	addq	$8, %rsp /* error code */
	movq	%r15, (%rsp)
	iretq
world_switch_end:

/* Where things lie, from the start: struct WorldSwitchOffsets in world_switch.hpp */
#ifdef __ELF__
	.section .rodata
#else
	.section .rdata, "dr" /* PE: an NT driver's */
#endif
	.balign 4
	.globl world_switch_offsets
world_switch_offsets:
	.long world_switch_first_entry - world_switch_begin
	.long world_switch_nmi - world_switch_begin
	.long world_switch_mce - world_switch_begin
	.long world_switch_debug - world_switch_begin
	.long world_switch_fault - world_switch_begin
	.long world_switch_end - world_switch_begin
#ifdef __ELF__
	.section .note.GNU-stack, "", @progbits
#endif
