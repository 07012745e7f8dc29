/* SPDX-License-Identifier: GPL-2.0 */
/*
 * co_enter_handler(entry): run an interrupt or NMI entry point of the kernel as if the CPU had just taken
 * it, with interrupts off, and return when it executes IRET. The same thing KVM does for an interrupt that
 * made its guest exit; a software INT would run an NMI on the IST stack, whose nesting logic forbids it.
 */
#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

	.section .text
SYM_FUNC_START(co_enter_handler)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp /* as the CPU does; SDM Vol. 3, 6.14.2 */
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	CALL_NOSPEC rdi
	mov	%rbp, %rsp /* IRET has done it already; this is for objtool */
	pop	%rbp
	RET
SYM_FUNC_END(co_enter_handler)
