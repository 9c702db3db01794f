# Pace guest: TSC cycles of a loop that has no reason to exit (64-bit, CPL0, linked at 0x8000); rdi = mailbox
	.intel_syntax noprefix
	.code64
start:	mov	r8d,[rdi+0x00]		# iterations of one round
	mov	r9d,[rdi+0x28]		# rounds; the fastest counts, an interrupt spoils only one
	mov	r10,-1
1:	rdtsc
	shl	rdx,32
	lea	r11,[rdx+rax]
	mov	ecx,r8d
2:	dec	ecx
	jnz	2b
	rdtsc
	shl	rdx,32
	add	rax,rdx
	sub	rax,r11
	cmp	rax,r10
	cmovb	r10,rax
	dec	r9d
	jnz	1b
	mov	[rdi+0x48],r10
	mov	al,'Z'
	out	0xe9,al
3:	hlt
	jmp	3b
