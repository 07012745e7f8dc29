/* SPDX-License-Identifier: GPL-2.0 */
	.section .text
	.globl cross_stepping, debug_entry
cross_stepping:
	movq	$0xffffffffffa00000, %rax /* CO_PASSAGE_VIRT: the switch code */
	pushfq
	orq	$0x100, (%rsp)
	popfq
	call	*%rax
	pushfq
	movq	(%rsp), %rax
	andq	$~0x100, (%rsp)
	popfq
	ret
debug_entry:
	incq	steps(%rip)
	iretq
	.section .note.GNU-stack, "", @progbits
