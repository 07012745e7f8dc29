/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does for a kernel that is not packed what the kernel's own decompressor does, without its 4,500 million instructions: moves
 * it to where it belongs and enters it in long mode, with memory mapped one to one and RSI = boot_params. The setup code of the package's vmlinuz jumps here.
 * Documentation/arch/x86/boot.rst: "32-bit boot protocol" is what comes in, "64-bit boot protocol" what goes out.
 * bochs.py says where: START, TABLES, FROM, TO, LENGTH, ENTRY.
 */
#define CR0_PG (1 << 31)
#define CR4_PAE (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define PAGE_PRESENT_WRITE 3
#define PAGE_LARGE 0x80
#define CODE_64 0x10

	.code32
	.globl _start
_start:
	movl	%esi, %ebx
	movl	$(FROM + LENGTH - 4), %esi
	movl	$(TO + LENGTH - 4), %edi /* TO is the higher and they overlap: from the end */
	movl	$(LENGTH / 4), %ecx
	std
	rep movsl
	cld

	movl	$TABLES, %edi /* zeroes */
	leal	0x1000 + PAGE_PRESENT_WRITE(%edi), %eax /* level 4, one entry */
	movl	%eax, (%edi)
	leal	0x2000 + PAGE_PRESENT_WRITE(%edi), %eax /* level 3, four */
	xorl	%ecx, %ecx
2:	movl	%eax, 0x1000(%edi, %ecx, 8)
	addl	$0x1000, %eax
	incl	%ecx
	cmpl	$4, %ecx
	jb	2b
	movl	$(PAGE_PRESENT_WRITE | PAGE_LARGE), %eax /* level 2: 4 GB in pages of 2 MB */
	xorl	%ecx, %ecx
3:	movl	%eax, 0x2000(%edi, %ecx, 8)
	addl	$0x200000, %eax
	incl	%ecx
	cmpl	$2048, %ecx
	jb	3b

	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	%edi, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0

	lgdt	START + gdt_pointer - _start
	ljmp	$CODE_64, $START + long_mode - _start

	.code64
long_mode:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%ebx, %esi
	movl	$ENTRY, %eax
	jmp	*%rax

	.balign 8
gdt:
	.quad	0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	START + gdt - _start
