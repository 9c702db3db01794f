# Pace guest: TSC cycles of a loop that has no reason to exit (64-bit, CPL0, linked at 0x8000); rdi = mailbox
# Two lengths are timed, so that what reading the TSC costs (it may exit) falls out of the difference.
	.intel_syntax noprefix
	.code64
start:	mov	r8d,[rdi+0x00]		# iterations of the long loop
	lea	rbx,[rdi+0x48]		# its fastest time goes here, that of one iteration behind it
0:	mov	r9d,[rdi+0x28]		# rounds; the fastest counts, an interrupt spoils only one
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
	mov	[rbx],r10
	add	rbx,8
	cmp	r8d,1
	mov	r8d,1
	jne	0b
	mov	al,'Z'
	out	0xe9,al
3:	hlt
	jmp	3b
