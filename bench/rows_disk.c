// SPDX-License-Identifier: GPL-2.0
// Reads of a disk or file past the page cache.
#include "measure.h"
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SMALL (4 << 10)
#define LARGE (64 << 10)

static int disk;
static unsigned long disk_bytes;
static char *buffer;

static void read_block(unsigned long bytes, unsigned long number)
{
	if (pread(disk, buffer, bytes, number % (disk_bytes / bytes) * bytes) != (ssize_t)bytes)
		die("read of the disk");
}

static double read_small_row(unsigned long count)
{
	static unsigned long random = 1; /* the same places in each run */
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		random = random * 6364136223846793005ul + 1442695040888963407ul;
		read_block(SMALL, random >> 20);
	}
	return now_ns() - start;
}

static double read_large_row(unsigned long count)
{
	static unsigned long next;
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		read_block(LARGE, next++);
	return now_ns() - start;
}

void rows_disk(const char *name, const char *path)
{
	disk = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		die(path);
	disk_bytes = lseek(disk, 0, SEEK_END);
	buffer = page_aligned(LARGE);
	if (disk_bytes < LARGE) {
		errno = EINVAL;
		die(path);
	}
	measure_part(name, "read_4k", read_small_row);
	measure_part(name, "read_64k", read_large_row);
	close(disk);
}
