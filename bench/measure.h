/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a row of the benchmark is measured. A row is a function that does `count` operations and returns the
 * nanoseconds they took. measure() warms it up, finds a count that takes about BATCH_NS, times BATCHES such
 * batches, and prints
 *
 *   row NAME NANOSECONDS OPERATIONS
 *
 * with the median of the batches, per operation, and the number of operations in all timed batches (what bench/counter.c
 * counts between the markers belongs to that many). In the lab, under --icount, one nanosecond is one instruction.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

typedef double (*row_function)(unsigned long count);

#define BATCHES 9
#define FEW_BATCHES 3
#define BATCH_NS 8e6 /* two periods of a 250 Hz tick: each batch has its fair share of ticks */

double now_ns(void); /* CLOCK_MONOTONIC */

/* `most`: upper limit of the count, for rows that use memory for each operation */
void measure(const char *name, row_function row, unsigned long most);

/* for rows that take long: three batches of one operation after one for warming up */
void measure_few(const char *name, row_function row);

/* the row NAME_PART, of any count */
void measure_part(const char *name, const char *part, row_function row);

/* memory full of 'x' */
void *page_aligned(size_t bytes);

/* "bench: WHAT: reason", exit code 1 */
void die(const char *what) __attribute__((noreturn));

#endif
