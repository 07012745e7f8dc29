// SPDX-License-Identifier: GPL-2.0
// Processes and threads made and ended, programs executed: this one, static or another build of it, told to end at once, or
// a line for the shell.
#include "measure.h"
#include "rows.h"

#include <fcntl.h>
#include <pthread.h>
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

/* A child that becomes another program, which must end well */
static void run_child(void (*become)(void), const char *name)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		die("fork");
	if (child == 0) {
		become();
		_exit(1);
	}
	waitpid(child, &status, 0);
	if (status)
		die(name);
}

static const char *program = "/proc/self/exe";

static void become_program(void)
{
	execl(program, "bench", "--exit", (char *)NULL);
}

static double exec_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		run_child(become_program, program);
	return now_ns() - start;
}

static void *nothing(void *argument)
{
	return argument;
}

static double thread_row(unsigned long count)
{
	double start = now_ns();
	pthread_t thread;

	for (unsigned long i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
			die("thread");
	return now_ns() - start;
}

static const char *line;

static void become_line(void)
{
	int nowhere = open("/dev/null", O_RDWR);

	dup2(nowhere, 0);
	dup2(nowhere, 1);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
}

static double program_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		run_child(become_line, line);
	return now_ns() - start;
}

void rows_processes(void)
{
	measure("fork_exit_wait", fork_row, 1 << 16);
	measure("fork_exec", exec_row, 1 << 16);
	measure("thread_create", thread_row, 1 << 16);
}

void rows_exec(const char *name, const char *path)
{
	program = path;
	measure(name, exec_row, 1 << 16);
}

void rows_program(const char *name, const char *command)
{
	line = command;
	measure_few(name, program_row);
}
