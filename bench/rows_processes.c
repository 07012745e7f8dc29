// SPDX-License-Identifier: GPL-2.0
// Processes made and ended. The program that is executed is this one, static, told to end at once.
#include "measure.h"
#include "rows.h"

#include <sys/wait.h>
#include <unistd.h>

static double fork_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	return now_ns() - start;
}

static double exec_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();
		int status = 0;

		if (child < 0)
			die("fork");
		if (child == 0) {
			execl("/proc/self/exe", "bench", "--exit", (char *)NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		if (status)
			die("exec of /proc/self/exe");
	}
	return now_ns() - start;
}

void rows_processes(void)
{
	measure("fork_exit_wait", fork_row, 1 << 16);
	measure("fork_exec", exec_row, 1 << 16);
}
