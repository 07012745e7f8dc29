/* SPDX-License-Identifier: GPL-2.0 */
/*
 * void hold(void)
 * Loads all of `held` into the registers (struct Held in witness.cpp), stays for held.pauses PAUSE instructions, gives the
 * CPU away by one system call when held.yields is set, and stores what the registers hold then. No stack, no FS, no GS
 * in between: RSP and the bases are random as well.
 */
#define RFLAGS 16
#define HELD(slot) held + (slot) * 8(%rip)
#define FS_BASE 17
#define GS_BASE 18
#define SELECTORS 19 /* 16 bits each: DS ES FS GS */
#define COMPONENTS 20
#define PAUSES 21
#define YIELDS 22
#define HAS_BASES 23
#define HAS_XSAVE 24
#define SYS_sched_yield 24

	.macro	each_general what
	.set	slot, 0
	.irp	register, rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15
	.ifc	\what, load
	movq	held + slot * 8(%rip), %\register
	.else
	movq	%\register, held + slot * 8(%rip)
	.endif
	.set	slot, slot + 1
	.endr
	.endm

	.section .text
	.globl hold
	.type hold, @function
hold:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, own_rsp(%rip)

	movl	HELD(COMPONENTS), %eax
	xorl	%edx, %edx
	cmpl	$0, HELD(HAS_XSAVE)
	je	1f
	xrstor64 held_fpu(%rip)
	jmp	2f
1:	fxrstor64 held_fpu(%rip)
2:	movw	%fs, own_selectors(%rip)
	movw	%gs, own_selectors + 2(%rip)
	movw	%ds, own_selectors + 4(%rip)
	movw	%es, own_selectors + 6(%rip)
	movw	HELD(SELECTORS), %ds
	movw	2 + HELD(SELECTORS), %es
	cmpl	$0, HELD(HAS_BASES)
	je	3f
	rdfsbase %rax
	movq	%rax, own_fs_base(%rip)
	rdgsbase %rax
	movq	%rax, own_gs_base(%rip)
	movw	4 + HELD(SELECTORS), %fs
	movw	6 + HELD(SELECTORS), %gs
	movq	HELD(FS_BASE), %rax
	wrfsbase %rax
	movq	HELD(GS_BASE), %rax
	wrgsbase %rax
3:
	pushq	HELD(RFLAGS)
	popfq
	each_general load

	/* Nothing here changes a flag. RCX counts; RAX, RCX and R11 are the system call's. */
	movq	HELD(PAUSES), %rcx
4:	pause
	leaq	-1(%rcx), %rcx
	jrcxz	5f
	jmp	4b
5:	movl	$1, watched(%rip) /* there is a breakpoint on it */
	movq	HELD(YIELDS), %rcx
	jrcxz	6f
	movl	$SYS_sched_yield, %eax
	syscall
	movq	HELD(0), %rax
	movq	HELD(11), %r11
6:	movq	HELD(2), %rcx

	each_general store
	movq	own_rsp(%rip), %rsp
	pushfq
	popq	HELD(RFLAGS)
	pushq	$2 /* no AC, no DF */
	popfq
	movw	%ds, HELD(SELECTORS)
	movw	%es, 2 + HELD(SELECTORS)
	movw	own_selectors + 4(%rip), %ds
	movw	own_selectors + 6(%rip), %es
	cmpl	$0, HELD(HAS_BASES)
	je	7f
	movw	%fs, 4 + HELD(SELECTORS)
	movw	%gs, 6 + HELD(SELECTORS)
	rdfsbase %rax
	movq	%rax, HELD(FS_BASE)
	rdgsbase %rax
	movq	%rax, HELD(GS_BASE)
	movw	own_selectors(%rip), %fs
	movw	own_selectors + 2(%rip), %gs
	movq	own_fs_base(%rip), %rax
	wrfsbase %rax
	movq	own_gs_base(%rip), %rax
	wrgsbase %rax
7:	movl	HELD(COMPONENTS), %eax
	xorl	%edx, %edx
	cmpl	$0, HELD(HAS_XSAVE)
	je	8f
	xsave64	held_fpu(%rip)
	jmp	9f
8:	fxsave64 held_fpu(%rip)
9:	fninit
	ldmxcsr	own_mxcsr(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.bss
	.balign 8
own_rsp: .skip 8
own_selectors: .skip 8
own_fs_base: .skip 8
own_gs_base: .skip 8
	.data
own_mxcsr: .long 0x1f80
	.section .note.GNU-stack, "", @progbits
