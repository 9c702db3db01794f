# Not a guest: the code of a tiny Linux program (see agent/cpuid.py) that executes CPUID for a table of
# (leaf, subleaf) pairs, writes eax ebx ecx edx of each to standard output, and exits.
# The table follows the code: u32 count, then count pairs of u32.
	.intel_syntax noprefix
	.code64
start:	lea	rsi,[rip+table]
	mov	ebp,[rsi]
	add	rsi,4
	mov	eax,ebp
	shl	eax,4
	sub	rsp,rax			# the answers are gathered on the stack: no writable segment needed
	mov	rdi,rsp
1:	mov	eax,[rsi]
	mov	ecx,[rsi+4]
	cpuid
	mov	[rdi],eax
	mov	[rdi+4],ebx
	mov	[rdi+8],ecx
	mov	[rdi+12],edx
	add	rsi,8
	add	rdi,16
	dec	ebp
	jnz	1b
	mov	rdx,rdi
	sub	rdx,rsp
	mov	rsi,rsp
	mov	edi,1
	mov	eax,1
	syscall				# write(1, rsp, length)
	xor	edi,edi
	mov	eax,60
	syscall				# exit(0)
table:
