// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of code where neither the kernel has a table of pointers nor the loader can find the place: direct
 * calls and immediates inside one function, found by what they mean and counted. Kernel text is still writable
 * when these run (x86_init.oem.arch_setup, one CPU, interrupts off). The window's text is not; it is written
 * through the direct map.
 */
#include <linux/kallsyms.h>
#include <linux/string.h>
#include <asm/cpufeature.h>

#include "graft.h"

#define CALL 0xe8
#define JUMP 0xe9
#define MOVE_IMMEDIATE 0xb8 /* + register */
#define MOVE_TO_SEGMENT 0x8e
#define TO_GS 0xe8 /* + register */
#define BRANCH_BYTES 5

int kallsyms_lookup_size_offset(unsigned long address, unsigned long *size, unsigned long *offset);
extern void (*x86_return_thunk)(void);
extern u8 our_return_thunk[] asm("__x86_return_thunk"); /* entry.S */

static size_t size_of(void *function)
{
	unsigned long size, offset;

	return kallsyms_lookup_size_offset((unsigned long)function, &size, &offset) ? size : 0;
}

static s32 word_at(const u8 *place)
{
	s32 word;

	memcpy(&word, place, sizeof(word));
	return word;
}

static bool leads_to(const u8 *branch, const void *target)
{
	return branch + BRANCH_BYTES + word_at(branch + 1) == (const u8 *)target;
}

static void set_target(u8 *branch, const u8 *from, const void *target)
{
	s32 distance = (const u8 *)target - (from + BRANCH_BYTES);

	memcpy(branch + 1, &distance, sizeof(distance));
}

unsigned int co_redirect_calls(void *function, const void *target, const void *replacement)
{
	u8 *code = function, *end = code + size_of(function);
	unsigned int count = 0;

	for (; code + BRANCH_BYTES <= end; code++) {
		if (*code == CALL && leads_to(code, target)) {
			set_target(code, code, replacement);
			count++;
		}
	}
	return count;
}

bool co_redirect_jump(u8 *jump, const void *target, const void *replacement)
{
	if (*jump != JUMP || !leads_to(jump, target))
		return false;
	set_target(jump, jump, replacement);
	return true;
}

unsigned int co_change_immediates(void *function, u32 old, u32 new)
{
	u8 *code = function, *end = code + size_of(function);
	unsigned int count = 0;

	for (; code + BRANCH_BYTES <= end; code++) {
		if ((*code & 0xf8) == MOVE_IMMEDIATE && word_at(code + 1) == (s32)old) {
			memcpy(code + 1, &new, sizeof(new));
			count++;
		}
	}
	return count;
}

/* and $0xff,%dh (or another one's second byte); jne OUT; pause: goes on for as long as that byte is 0. Now OUT comes always. */
unsigned int co_leave_spins_on_second_byte(void *function)
{
	u8 *code = function, *end = code + size_of(function);
	unsigned int count = 0;

	for (; code + 7 <= end; code++) {
		if (code[0] == 0x80 && (code[1] & 0xfc) == 0xe4 && code[2] == 0xff && code[3] == 0x75 && code[5] == 0xf3 && code[6] == 0x90) {
			code[3] = 0xeb;
			count++;
		}
	}
	return count;
}

unsigned int co_drop_gs_loads(void *function)
{
	static const u8 nop[] = { 0x66, 0x90 };
	u8 *code = function, *end = code + size_of(function);
	unsigned int count = 0;

	for (; code + sizeof(nop) <= end; code++) {
		if (code[0] == MOVE_TO_SEGMENT && (code[1] & 0xf8) == TO_GS) {
			memcpy(code, nop, sizeof(nop));
			count++;
		}
	}
	return count;
}

u8 *co_find_bytes(void *function, const u8 *bytes, size_t count)
{
	u8 *code = function, *end = code + size_of(function);

	for (; code + count <= end; code++) {
		if (memcmp(code, bytes, count) == 0)
			return code;
	}
	return NULL;
}

void co_write_jump(u8 *place, const void *target)
{
	*place = JUMP;
	set_target(place, place, target);
}

/* Until here the thunk is a plain return. Runs before the second CPU starts. */
void co_choose_return_thunk(void)
{
	u8 *thunk = co_writable_alias(our_return_thunk);
	u8 jump[BRANCH_BYTES] = { JUMP };

	if (!boot_cpu_has(X86_FEATURE_RETHUNK))
		return;
	set_target(jump, our_return_thunk, x86_return_thunk);
	memcpy(thunk + 1, jump + 1, BRANCH_BYTES - 1); /* no return through it while it is half written */
	WRITE_ONCE(*thunk, JUMP);
}
