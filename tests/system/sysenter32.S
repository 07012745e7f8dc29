/* SPDX-License-Identifier: GPL-2.0 */
/* A 32-bit program whose system calls go the way the kernel recommends, SYSENTER or SYSCALL: exit code 0 when they agree with int 0x80. */
	.globl _start
_start:
	movl (%esp), %eax		/* argc */
	leal 8(%esp,%eax,4), %esi	/* envp */
1:	lodsl
	testl %eax, %eax
	jnz 1b
2:	lodsl				/* the auxiliary vector */
	testl %eax, %eax
	jz fail
	movl %eax, %ecx
	lodsl
	cmpl $32, %ecx			/* AT_SYSINFO: __kernel_vsyscall */
	jne 2b
	movl %eax, %edi
	movl $1000, %ebp
3:	movl $20, %eax			/* getpid */
	int $0x80
	movl %eax, %esi
	movl $20, %eax
	call *%edi
	cmpl %eax, %esi
	jne fail
	decl %ebp
	jnz 3b
	movl $1, %eax			/* exit */
	xorl %ebx, %ebx
	call *%edi
fail:	movl $1, %eax
	movl $1, %ebx
	int $0x80
