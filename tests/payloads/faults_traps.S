/* SPDX-License-Identifier: GPL-2.0 */
/* Entries of all 256 vectors, 16 bytes each from trap_stubs on: all lead to trap(struct trap_frame *). */
	.section .text
	.globl trap_stubs
	.balign 16
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
	.else
	pushq	$0 /* where an error code would be; SDM Vol. 3, table 6-1 */
	.endif
	pushq	$vector
	jmp	common
	.set vector, vector + 1
	.endr
common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	%rsp, %rdi
	cld
	call	trap
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

/* Where another vCPU begins: on its stack, with nothing in its registers */
	.globl other_start
other_start:
	call	other_vcpu
1:	pause
	jmp	1b
	.section .note.GNU-stack, "", @progbits
