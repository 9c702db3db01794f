# Exit-cost guest: N times OUT to the monitor, then HLT (64-bit, CPL0, linked at 0x8000); rdi = mailbox
	.intel_syntax noprefix
	.code64
start:	mov	ecx,[rdi+0x00]
1:	out	0xe9,al
	dec	ecx
	jnz	1b
2:	hlt
	jmp	2b
