// SPDX-License-Identifier: GPL-2.0
// Two processes that take turns on one CPU. Each row counts a whole round trip, which has two context switches, except
// `context_switch`: sched_yield() between two processes, counted per switch.
#include "measure.h"
#include "rows.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int there[2], back[2];
static struct turns {
	unsigned int mine, other;
} *turns;

static pid_t start_partner(void (*work)(void))
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work();
		_exit(0);
	}
	return child;
}

static void end_partner(pid_t partner)
{
	kill(partner, SIGKILL);
	waitpid(partner, NULL, 0);
}

static void answer_pipe(void)
{
	char byte;

	while (read(there[0], &byte, 1) == 1)
		if (write(back[1], &byte, 1) != 1)
			break;
}

static double pipe_row(unsigned long count)
{
	double start = now_ns();
	char byte = 0;

	for (unsigned long i = 0; i < count; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("pipe");
	return now_ns() - start;
}

static void yield_for_ever(void)
{
	for (;;)
		sched_yield();
}

static double yield_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i += 2) /* there, and back */
		sched_yield();
	return now_ns() - start;
}

static void pass_turn(unsigned int *wait, unsigned int *wake)
{
	__atomic_store_n(wake, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, wake, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (!__atomic_exchange_n(wait, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, wait, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void answer_futex(void)
{
	while (!__atomic_exchange_n(&turns->other, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &turns->other, FUTEX_WAIT, 0, NULL, NULL, 0);
	for (;;)
		pass_turn(&turns->other, &turns->mine);
}

static double futex_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		pass_turn(&turns->mine, &turns->other);
	return now_ns() - start;
}

static void stay_on_this_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

void rows_exchanges(void)
{
	pid_t partner;

	stay_on_this_cpu();
	turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turns == MAP_FAILED || pipe(there) || pipe(back))
		die("pipe");

	partner = start_partner(answer_pipe);
	measure("pipe_ping_pong", pipe_row, 1 << 20);
	end_partner(partner);

	partner = start_partner(yield_for_ever);
	measure("context_switch", yield_row, 1 << 20);
	end_partner(partner);

	partner = start_partner(answer_futex);
	measure("futex_ping_pong", futex_row, 1 << 20);
	end_partner(partner);
}
