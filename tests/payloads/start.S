/* SPDX-License-Identifier: GPL-2.0 */
/* First instruction of every payload: rdi = its struct co_passage. */
	.section .start, "ax"
	.globl _start
_start:
	call payload
1:	pause
	jmp 1b
	.section .note.GNU-stack, "", @progbits
