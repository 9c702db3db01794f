# Plain guest: proves that a guest of this machine runs 64-bit code (CPL0, identity paging, linked at 0x8000)
# in: rdi = mailbox (0x7000), rsp = stack.  OUT 0xE9 = stage letter to the monitor.
	.intel_syntax noprefix
	.code64
start:	mov	al,'A'
	out	0xe9,al			# A: long mode reached
	mov	r12d,[rdi+0x00]		# N: CPUID exits, handled inside the host's kernel
	test	r12d,r12d
	jz	2f
1:	xor	eax,eax
	cpuid
	dec	r12d
	jnz	1b
2:	mov	al,'B'
	out	0xe9,al			# B: those exits are done
	mov	eax,0x3154534e		# "NST1"
	mov	[rdi+0x70],rax		# proof by memory
	mov	al,'Z'
	out	0xe9,al			# Z: finished
3:	hlt
	jmp	3b
