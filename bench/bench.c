// SPDX-License-Identifier: GPL-2.0
// bench: one static program that runs on the host and in the guest and prints what operations cost (measure.h).
//
//   bench [--inside] [--OPTION NAME=VALUE]...                  rows that stay in the kernel, then those of what is named:
//     --disk NAME=FILE, --net NAME=ADDRESS:PORT, --console NAME=TERMINAL, --exec NAME=FILE, --program NAME=LINE (rows.h)
//   bench --serve PORT                                         the peer of --net
//   bench --mark 1|2                                           only a marker for counter.c (marker.h): begin, end
//   bench --clock                                              "clock TSC NANOSECONDS": TSC and CLOCK_MONOTONIC now
//
// bench/run starts it; docs/performance.md has the figures.
#include "marker.h"
#include "measure.h"
#include "rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <unistd.h>
#include <x86intrin.h>

static int usage(void)
{
	fprintf(stderr, "usage: bench [--inside] [--disk NAME=FILE]... [--net NAME=ADDRESS:PORT]... [--console NAME=TERMINAL]...\n"
			"             [--exec NAME=FILE]... [--program NAME=LINE]... | --serve PORT | --mark 1|2 | --clock\n");
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

static named_rows rows_of(const char *option)
{
	static const struct {
		const char *option;
		named_rows rows;
	} known[] = {
		{ "--disk", rows_disk }, { "--net", rows_network }, { "--console", rows_console }, { "--exec", rows_exec },
		{ "--program", rows_program },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(option, known[i].option))
			return known[i].rows;
	return NULL;
}

int main(int argc, char **argv)
{
	bool inside;
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
		serve_peers(argv[2]);
	inside = argc > 1 && !strcmp(argv[1], "--inside");
	for (int i = 1 + inside; i < argc; i += 2)
		if (i + 1 == argc || !rows_of(argv[i]) || !strchr(argv[i + 1], '='))
			return usage();

	leave_chance_out(argv);
	if (getrandom(&byte, 1, 0) != 1) /* a kernel that gathers randomness is busy with that */
		die("getrandom");
	if (inside) {
		rows_calls();
		rows_processes();
		rows_exchanges();
	}
	for (int i = 1 + inside; i < argc; i += 2) {
		char *value = strchr(argv[i + 1], '=');

		*value++ = 0;
		rows_of(argv[i])(argv[i + 1], value);
	}
	return 0;
}
