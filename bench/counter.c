// SPDX-License-Identifier: GPL-2.0
// A plugin for QEMU (-plugin counter.so,out=FILE[,profile=FILE]): counts what the emulated PC executes between the
// markers of marker.h: all instructions, those that are dear on a real CPU, and where they lie. One line per pair of
// markers into FILE, "NAME COUNT" pairs:
//
//   count 1 instructions 5310 rdmsr 2 wrmsr 4 ...
//
// and at the end "total INSTRUCTIONS", since power-on. The counters say where an instruction lies (user, kernel, modules = the
// driver too, window = the graft and the world switch in the guest) and, of the dear ones, what it is.
//
// With `profile`, one line "START END COUNT" per basic block into that file: virtual addresses and instructions executed
// there. Counts belong to the whole PC, so a tick of the host that falls between the markers is in them.
//
// Debian has no header for plugins; the few declarations below are QEMU 7.2's (plugin API version 1).
#include "marker.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_callback)(unsigned int vcpu, void *data);
typedef void (*exit_callback)(qemu_plugin_id_t id, void *data);
enum { NO_REGISTERS = 0, ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_callback callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *where, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_callback callback, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int operation, void *where, uint64_t value);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_callback callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

int qemu_plugin_version = 1;

// Where an instruction lies, and which of the dear ones it is
enum { INSTRUCTIONS, USER, KERNEL, MODULES, WINDOW, RDMSR, WRMSR, READ_CR, WRITE_CR, WRITE_CR3, READ_DR, WRITE_DR, XGETBV, XSETBV, CPUID, NAMES };
static const char *const names[NAMES] = {
	"instructions", "user", "kernel", "modules", "window", "rdmsr", "wrmsr", "read_cr", "write_cr", "write_cr3", "read_dr",
	"write_dr", "xgetbv", "xsetbv", "cpuid",
};
static uint64_t counts[NAMES], at_begin[NAMES];
static FILE *out;

struct block {
	uint64_t start, end, instructions, at_begin, between;
	struct block *next;
};
static struct block *blocks;
static const char *profile;

static int region(uint64_t address)
{
	if (address >> 63 == 0)
		return USER;
	if (address >= 0xffffffffff800000)
		return WINDOW; // CO_GRAFT_VIRT and what lies above
	return address >= 0xffffffffc0000000 ? MODULES : KERNEL;
}

// Opcodes 0x0f ..; SDM Vol. 2
static int dear(const uint8_t *code, size_t size)
{
	size_t at = 0;

	while (at < size && (code[at] == 0xf2 || code[at] == 0xf3 || code[at] == 0x66 || (code[at] & 0xf0) == 0x40))
		at++; // prefixes
	if (at + 2 > size || code[at] != 0x0f)
		return -1;
	bool modrm = at + 3 <= size;
	switch (code[at + 1]) {
	case 0x32: return RDMSR;
	case 0x30: return WRMSR;
	case 0x20: return READ_CR;
	case 0x22: return modrm && (code[at + 2] >> 3 & 7) == 3 ? WRITE_CR3 : WRITE_CR;
	case 0x21: return READ_DR;
	case 0x23: return WRITE_DR;
	case 0xa2: return CPUID;
	case 0x01: return modrm && code[at + 2] == 0xd0 ? XGETBV : modrm && code[at + 2] == 0xd1 ? XSETBV : -1;
	}
	return -1;
}

static void begin(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	memcpy(at_begin, counts, sizeof(counts));
	for (struct block *block = blocks; block; block = block->next)
		block->at_begin = block->instructions;
}

static void end(unsigned int vcpu, void *data)
{
	static unsigned int number;

	(void)vcpu, (void)data;
	fprintf(out, "count %u", ++number);
	for (int i = 0; i < NAMES; i++)
		fprintf(out, " %s %" PRIu64, names[i], counts[i] - at_begin[i]);
	fprintf(out, "\n");
	fflush(out);
	for (struct block *block = blocks; block; block = block->next) {
		block->between += block->instructions - block->at_begin;
		block->at_begin = block->instructions;
	}
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	FILE *file = profile ? fopen(profile, "w") : NULL;

	(void)id, (void)data;
	fprintf(out, "total %" PRIu64 "\n", counts[INSTRUCTIONS]);
	fclose(out);
	for (struct block *block = blocks; file && block; block = block->next)
		if (block->between)
			fprintf(file, "%" PRIx64 " %" PRIx64 " %" PRIu64 "\n", block->start, block->end, block->between);
	if (file)
		fclose(file);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t marker[] = BENCH_MARKER_BYTES;
	size_t length = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *code = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		int kind = dear(code, size);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &counts[INSTRUCTIONS], 1);
		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &counts[region(qemu_plugin_insn_vaddr(insn))], 1);
		if (kind >= 0)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &counts[kind], 1);
		if (size == sizeof(marker) && !memcmp(code, marker, BENCH_MARKER_NUMBER_AT) &&
		    !memcmp(code + BENCH_MARKER_NUMBER_AT + 1, marker + BENCH_MARKER_NUMBER_AT + 1, size - BENCH_MARKER_NUMBER_AT - 1))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, code[BENCH_MARKER_NUMBER_AT] == 1 ? begin : end, NO_REGISTERS, NULL);
	}
	if (profile) {
		struct block *block = calloc(1, sizeof(*block));

		if (!block)
			return;
		block->start = qemu_plugin_tb_vaddr(tb);
		block->end = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, length - 1));
		block->next = blocks;
		blocks = block;
		qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->instructions, length);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "profile=", 8))
			profile = strdup(argv[i] + 8);
	}
	if (!out)
		return fprintf(stderr, "counter: out=FILE is missing or cannot be written\n"), -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
