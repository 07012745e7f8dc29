// SPDX-License-Identifier: GPL-2.0
// bench: one static program that runs on the host and in the guest and prints what operations cost (measure.h).
//
//   bench [--disk NAME=FILE]... [--net NAME=ADDRESS:PORT]...   all rows, then those of the disks and peers named
//   bench --serve PORT                                         the peer of --net
//   bench --mark 1|2                                           only a marker for counter.c (marker.h): begin, end
//   bench --clock                                              "clock TSC NANOSECONDS": TSC and CLOCK_MONOTONIC now
//
// bench/run starts it; docs/performance.md has the figures.
#include "marker.h"
#include "measure.h"
#include "rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <unistd.h>
#include <x86intrin.h>

static int usage(void)
{
	fprintf(stderr, "usage: bench [--disk NAME=FILE]... [--net NAME=ADDRESS:PORT]... | --serve PORT | --mark 1|2 | --clock\n");
	return 2;
}

// The same addresses in each run: where the stack, the heap and mappings lie decides how many page tables a process needs.
static void leave_chance_out(char **argv)
{
	int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE)
		return;
	personality(now | ADDR_NO_RANDOMIZE);
	execv("/proc/self/exe", argv);
	die("exec of /proc/self/exe");
}

int main(int argc, char **argv)
{
	char byte;

	if (argc == 2 && !strcmp(argv[1], "--exit")) /* what rows_processes.c executes */
		return 0;
	if (argc == 2 && !strcmp(argv[1], "--clock"))
		return printf("clock %llu %.0f\n", __rdtsc(), now_ns()) < 0;
	if (argc == 3 && !strcmp(argv[1], "--mark")) {
		if (*argv[2] == '1')
			BENCH_MARKER_BEGIN();
		else
			BENCH_MARKER_END();
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "--serve"))
		serve_echo(argv[2]);
	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc || (strcmp(argv[i], "--disk") && strcmp(argv[i], "--net")) || !strchr(argv[i + 1], '='))
			return usage();

	leave_chance_out(argv);
	if (getrandom(&byte, 1, 0) != 1) /* a kernel that gathers randomness is busy with that */
		die("getrandom");
	rows_calls();
	rows_processes();
	rows_exchanges();
	for (int i = 1; i < argc; i += 2) {
		char *value = strchr(argv[i + 1], '=');

		*value++ = 0;
		(!strcmp(argv[i], "--disk") ? rows_disk : rows_network)(argv[i + 1], value);
	}
	return 0;
}
