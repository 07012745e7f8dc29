// SPDX-License-Identifier: GPL-2.0
// Disk and network: what leaves the guest.
#include "measure.h"
#include "rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 4096

static int disk, peer;
static unsigned long blocks;
static void *buffer;

static double read_row(unsigned long count)
{
	static unsigned long random = 1; /* the same places in each run */
	double start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		random = random * 6364136223846793005ul + 1442695040888963407ul;
		if (pread(disk, buffer, BLOCK, (random >> 20) % blocks * BLOCK) != BLOCK)
			die("read of the disk");
	}
	return now_ns() - start;
}

void rows_disk(const char *name, const char *path)
{
	disk = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		die(path);
	blocks = lseek(disk, 0, SEEK_END) / BLOCK;
	buffer = aligned_alloc(BLOCK, BLOCK);
	if (blocks == 0 || !buffer) {
		errno = EINVAL;
		die(path);
	}
	measure(name, read_row, 1 << 16);
	close(disk);
}

static double round_trip_row(unsigned long count)
{
	double start = now_ns();
	char byte = 0;

	for (unsigned long i = 0; i < count; i++)
		if (write(peer, &byte, 1) != 1 || read(peer, &byte, 1) != 1)
			die("network");
	return now_ns() - start;
}

static void no_delay(int connection)
{
	int on = 1;

	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void rows_network(const char *name, const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char host[64];
	const char *colon = strchr(address, ':');

	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - address) : 0, address);
	if (!colon || inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		errno = EINVAL;
		die(address);
	}
	to.sin_port = htons(atoi(colon + 1));
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer < 0 || connect(peer, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	no_delay(peer);
	measure(name, round_trip_row, 1 << 16);
	close(peer);
}

static void echo(int connection)
{
	char bytes[256];
	ssize_t got;

	no_delay(connection);
	while ((got = read(connection, bytes, sizeof(bytes))) > 0)
		if (write(connection, bytes, got) != got)
			break;
	close(connection);
}

void serve_echo(const char *port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 1))
		die(port);
	for (;;) {
		int connection = accept(listener, NULL, NULL);

		if (connection >= 0)
			echo(connection);
	}
}
