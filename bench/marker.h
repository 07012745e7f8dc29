/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two instructions that do nothing, except that bench/counter.c, a plugin of the emulator, knows them: it counts what
 * the emulated PC executes between them, in all worlds and rings. NOPL with a displacement that no compiler makes.
 */
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

#define BENCH_MARKER_BEGIN() __asm__ volatile("nopl 0x0c011b01(%%rax,%%rax,1)" : : : "memory")
#define BENCH_MARKER_END() __asm__ volatile("nopl 0x0c011b02(%%rax,%%rax,1)" : : : "memory")

/* their bytes, and the low byte of the displacement */
#define BENCH_MARKER_BYTES { 0x0f, 0x1f, 0x84, 0x00, 0x01, 0x1b, 0x01, 0x0c }
#define BENCH_MARKER_NUMBER_AT 4

#endif
