/* SPDX-License-Identifier: GPL-2.0 */
	.section .text

	.macro	each_callee_saved instruction
	.irp	register, rbx, rbp, r12, r13, r14, r15
	\instruction	%\register
	.endr
	.endm
	.macro	each_callee_saved_back
	.irp	register, r15, r14, r13, r12, rbp, rbx
	popq	%\register
	.endr
	.endm

/*
 * void cross_with(struct called *state, struct co_passage *passage, struct co_world *from, struct co_world *to)
 * Crosses with the callee-saved registers and RFLAGS of *state, and stores what came back there. Ends with IF = 0.
 */
	.globl cross_with
cross_with:
	each_callee_saved pushq
	pushq	%rdi
	movq	%rdi, %r8
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	0(%r8), %rbx
	movq	8(%r8), %rbp
	movq	16(%r8), %r12
	movq	24(%r8), %r13
	movq	32(%r8), %r14
	movq	40(%r8), %r15
	movq	$0xffffffffffa00000, %rax /* CO_PASSAGE_VIRT: the switch code */
	pushq	48(%r8)
	popfq
	call	*%rax
	pushfq
	cli
	popq	%rcx
	cld
	popq	%r8
	movq	%rbx, 0(%r8)
	movq	%rbp, 8(%r8)
	movq	%r12, 16(%r8)
	movq	%r13, 24(%r8)
	movq	%r14, 32(%r8)
	movq	%r15, 40(%r8)
	movq	%rcx, 48(%r8)
	each_callee_saved_back
	ret

/*
 * void hold(void)
 * Stays for a while with all of `held` in the registers, RFLAGS too, and stores what is in them then: whatever came
 * meanwhile must have left them alone. Ends with IF = 0.
 */
	.globl hold
hold:
	each_callee_saved pushq
	pushq	held + 15 * 8(%rip)
	popfq
	.set	slot, 0
	.irp	register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	movq	held + slot * 8(%rip), %\register
	.set	slot, slot + 1
	.endr
	.rept	100
	pause
	.endr
	.set	slot, 0
	.irp	register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	movq	%\register, held + slot * 8(%rip)
	.set	slot, slot + 1
	.endr
	pushfq
	cli
	popq	held + 15 * 8(%rip)
	cld
	each_callee_saved_back
	ret
	.section .note.GNU-stack, "", @progbits
