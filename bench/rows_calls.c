// SPDX-License-Identifier: GPL-2.0
// What one process asks of its kernel: nothing here leaves the kernel that it runs on.
#include "measure.h"
#include "rows.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define MOST_PAGES 4096
#define SOME_FILE "/init" /* on the host, in its chroot and in each guest a plain file of the first file system */

static double getppid_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		syscall(SYS_getppid);
	return now_ns() - start;
}

static double clock_row(unsigned long count) /* by the vDSO where the clock allows it */
{
	double start = now_ns();
	struct timespec now;

	for (unsigned long i = 0; i < count; i++)
		clock_gettime(CLOCK_REALTIME, &now);
	return now_ns() - start;
}

static double gettimeofday_row(unsigned long count) /* likewise */
{
	double start = now_ns();
	struct timeval now;

	for (unsigned long i = 0; i < count; i++)
		gettimeofday(&now, NULL);
	return now_ns() - start;
}

static double read_row(unsigned long count)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	double start = now_ns(), elapsed;
	char byte;

	for (unsigned long i = 0; i < count; i++)
		if (read(zero, &byte, 1) != 1)
			die("/dev/zero");
	elapsed = now_ns() - start;
	close(zero);
	return elapsed;
}

static double stat_row(unsigned long count)
{
	double start = now_ns();
	struct stat found;

	for (unsigned long i = 0; i < count; i++)
		if (stat(SOME_FILE, &found))
			die(SOME_FILE);
	return now_ns() - start;
}

static double open_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		if (close(open(SOME_FILE, O_RDONLY)))
			die(SOME_FILE);
	return now_ns() - start;
}

static double fault_row(unsigned long count)
{
	char *memory = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double start, elapsed;

	if (memory == MAP_FAILED)
		die("mmap");
	madvise(memory, count * PAGE, MADV_NOHUGEPAGE);
	start = now_ns();
	for (unsigned long i = 0; i < count; i++)
		*(volatile char *)(memory + i * PAGE) = 1;
	elapsed = now_ns() - start;
	munmap(memory, count * PAGE);
	return elapsed;
}

static double mmap_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		*(volatile char *)memory = 1;
		munmap(memory, PAGE);
	}
	return now_ns() - start;
}

static void handler(int number)
{
	(void)number;
}

static double signal_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		raise(SIGUSR1);
	return now_ns() - start;
}

static char *guarded;

static void make_writable(int number)
{
	(void)number;
	mprotect(guarded, PAGE, PROT_READ | PROT_WRITE);
}

static double mprotect_row(unsigned long count) /* mprotect, a write, the signal that it raises, mprotect in its handler */
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		mprotect(guarded, PAGE, PROT_READ);
		*(volatile char *)guarded = 1;
	}
	return now_ns() - start;
}

void rows_calls(void)
{
	signal(SIGUSR1, handler);
	measure("getppid", getppid_row, 1 << 20);
	measure("read_byte", read_row, 1 << 20);
	measure("stat", stat_row, 1 << 20);
	measure("open_close", open_row, 1 << 20);
	measure("clock_gettime", clock_row, 1 << 20);
	measure("gettimeofday", gettimeofday_row, 1 << 20);
	measure("page_fault", fault_row, MOST_PAGES);
	measure("mmap_touch_munmap", mmap_row, 1 << 20);
	measure("signal", signal_row, 1 << 20);
	guarded = page_aligned(PAGE);
	signal(SIGSEGV, make_writable);
	measure("mprotect_fault", mprotect_row, 1 << 20);
	signal(SIGSEGV, SIG_DFL);
}
