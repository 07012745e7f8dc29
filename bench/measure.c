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

void measure(const char *name, row_function row, unsigned long most)
{
	unsigned long count = 2;
	double batch[BATCHES], elapsed;

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

	BENCH_MARKER_BEGIN();
	for (int i = 0; i < BATCHES; i++)
		batch[i] = row(count) / count;
	BENCH_MARKER_END();

	qsort(batch, BATCHES, sizeof(batch[0]), ascending);
	printf("row %s %.1f %lu\n", name, batch[BATCHES / 2], count * BATCHES);
	fflush(stdout);
}

void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}
