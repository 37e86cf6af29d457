/*
 * The loader's first and last instructions: the multiboot header and entry,
 * and the jump to the kernel. Everything between is in loader.c.
 */
#define MB_MAGIC	0x1BADB002
#define MB_FLAGS	0x00000003	/* modules page-aligned, memory map wanted */

	.section .multiboot, "a"
	.align	4
	.long	MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

	.text
	.globl	start
start:
	movl	$stack_top, %esp
	pushl	%ebx			/* the multiboot information */
	pushl	%eax			/* the multiboot magic number */
	call	load
	.globl	halt
halt:
	cli
	hlt
	jmp	halt

/*
 * void enter(uint32_t entry, uint32_t howto, uint32_t bootdev,
 *     void *bootinfo, uint32_t esym, uint32_t extmem, uint32_t basemem);
 *
 * The kernel looks for its arguments above a return address, which is exactly
 * what the stack holds once the entry point is popped off it.
 */
	.globl	enter
enter:
	cli
	cld
	popl	%eax			/* nobody returns from here */
	popl	%eax
	pushl	$halt
	jmp	*%eax

	.bss
	.align	16
	.space	16384
stack_top:

	.section .note.GNU-stack, "", @progbits
