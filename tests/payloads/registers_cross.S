/* SPDX-License-Identifier: GPL-2.0 */
/*
 * void cross_with(struct general *g, struct co_passage *passage, struct co_world *from, struct co_world *to)
 * Crosses with the callee-saved registers and RFLAGS of *g, and stores what came back there.
 */
	.section .text
	.globl cross_with
cross_with:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
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
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.section .note.GNU-stack, "", @progbits
