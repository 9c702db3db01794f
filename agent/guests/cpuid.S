# Not a guest: the code of a tiny Linux program (see agent/cpuid.py) that executes CPUID for a table of
# (leaf, subleaf) pairs, where it happens to run or on one CPU after the other. For each CPU it writes 16 bytes that
# begin with the CPU's number, and eax ebx ecx edx of each pair; a CPU that is offline or not ours is left out.
# The table follows the code: u32 pairs, u32 CPUs to visit (0: stay), then the pairs of u32.
	.intel_syntax noprefix
	.code64
start:	lea	r15,[rip+table]
	mov	ebp,[r15]
	mov	r14d,[r15+4]
	add	r15,8
	lea	eax,[ebp+1]
	shl	eax,4
	sub	rsp,rax			# answers of one CPU: on the stack, so no writable segment is needed
	sub	rsp,512			# affinity mask, 4096 CPUs
	mov	rdi,rsp
	xor	eax,eax
	mov	ecx,64
	rep stosq
	xor	r13d,r13d		# CPU
1:	test	r14d,r14d
	jz	2f
	bts	[rsp],r13
	mov	eax,203
	xor	edi,edi
	mov	esi,512
	mov	rdx,rsp
	syscall				# sched_setaffinity(0, 512, mask)
	btr	[rsp],r13
	test	rax,rax
	js	4f
2:	lea	rdi,[rsp+512]
	mov	[rdi],r13d
	add	rdi,16
	mov	rsi,r15
	mov	r12d,ebp
3:	mov	eax,[rsi]
	mov	ecx,[rsi+4]
	cpuid
	mov	[rdi],eax
	mov	[rdi+4],ebx
	mov	[rdi+8],ecx
	mov	[rdi+12],edx
	add	rsi,8
	add	rdi,16
	dec	r12d
	jnz	3b
	lea	rsi,[rsp+512]
	mov	rdx,rdi
	sub	rdx,rsi
	mov	edi,1
	mov	eax,1
	syscall				# write(1, answers, length)
4:	inc	r13d
	cmp	r13d,r14d
	jb	1b
	xor	edi,edi
	mov	eax,60
	syscall				# exit(0)
table:
