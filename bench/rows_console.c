// SPDX-License-Identifier: GPL-2.0
// Lines of text to a terminal.
#include "measure.h"
#include "rows.h"

#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE 64
#define CONSOLE_BYTES (16 << 10)

static int console;
static char *buffer;

/* Until the kernel has handed all of it over */
static double console_row(unsigned long count)
{
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++)
		if (write(console, buffer, CONSOLE_BYTES) != CONSOLE_BYTES || tcdrain(console))
			die("console");
	return now_ns() - start;
}

/* The host's row: a pseudo-terminal and a program that reads what comes */
static int open_pseudo_terminal(void)
{
	int other, slave;

	if (openpty(&other, &slave, NULL, NULL, NULL))
		die("openpty");
	if (fork() == 0) {
		close(slave);
		while (read(other, buffer, CONSOLE_BYTES) > 0)
			;
		_exit(0);
	}
	close(other);
	return slave;
}

void rows_console(const char *name, const char *path)
{
	buffer = page_aligned(CONSOLE_BYTES);
	for (int end = LINE - 1; end < CONSOLE_BYTES; end += LINE)
		buffer[end] = '\n';
	console = strcmp(path, "pty") ? open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC) : open_pseudo_terminal();
	if (console < 0)
		die(path);
	measure(name, console_row, 1 << 16);
	close(console);
}
