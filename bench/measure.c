// SPDX-License-Identifier: GPL-2.0
#include "measure.h"

#include "marker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void batches(const char *name, row_function row, int number, unsigned long count)
{
	double batch[BATCHES];

	BENCH_MARKER_BEGIN();
	for (int i = 0; i < number; i++)
		batch[i] = row(count) / count;
	BENCH_MARKER_END();

	qsort(batch, number, sizeof(batch[0]), ascending);
	printf("row %s %.1f %lu\n", name, batch[number / 2], count * number);
	fflush(stdout);
}

void measure(const char *name, row_function row, unsigned long most)
{
	unsigned long count = 2;
	double elapsed;

	row(1);
	for (;;) { /* also the warm-up */
		elapsed = row(count);
		if (elapsed >= BATCH_NS / 4 || count >= most)
			break;
		count *= 2;
	}
	if (elapsed < BATCH_NS)
		count *= BATCH_NS / elapsed;
	if (count > most)
		count = most;

	batches(name, row, BATCHES, count);
}

void measure_few(const char *name, row_function row)
{
	row(1);
	batches(name, row, FEW_BATCHES, 1);
}

void measure_part(const char *name, const char *part, row_function row)
{
	char both[64];

	snprintf(both, sizeof(both), "%s_%s", name, part);
	measure(both, row, 1 << 16);
}

void *page_aligned(size_t bytes)
{
	char *memory = aligned_alloc(4096, bytes);

	if (!memory)
		die("memory");
	return memset(memory, 'x', bytes);
}

void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}
