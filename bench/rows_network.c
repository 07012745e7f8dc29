// SPDX-License-Identifier: GPL-2.0
// A TCP connection to a peer, and that peer.
#include "measure.h"
#include "rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE (64 << 10)
#define KIB 1024

static int peer;
static char *buffer;

/* Before each exchange: what the peer is to do, with how many bytes. FOR_ECHO lasts to the end of the connection. */
enum { FOR_ECHO, FOR_SINK, FOR_SOURCE };
struct order {
	uint64_t what, bytes;
};

static void write_all(int to, const void *bytes, size_t count)
{
	for (ssize_t done; count; bytes = (const char *)bytes + done, count -= done)
		if ((done = write(to, bytes, count)) <= 0)
			die("network");
}

static void read_all(int from, uint64_t count)
{
	for (ssize_t done; count; count -= done)
		if ((done = read(from, buffer, count < LARGE ? count : LARGE)) <= 0)
			die("network");
}

static void send_all(int to, uint64_t count)
{
	for (size_t piece; count; count -= piece) {
		piece = count < LARGE ? count : LARGE;
		write_all(to, buffer, piece);
	}
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

static double send_row(unsigned long count)
{
	struct order order = { FOR_SINK, count * KIB };
	double start = now_ns();

	write_all(peer, &order, sizeof(order));
	send_all(peer, order.bytes);
	read_all(peer, 1); /* the other end has got all */
	return now_ns() - start;
}

static double receive_row(unsigned long count)
{
	struct order order = { FOR_SOURCE, count * KIB };
	double start = now_ns();

	write_all(peer, &order, sizeof(order));
	read_all(peer, order.bytes);
	return now_ns() - start;
}

static void no_delay(int connection)
{
	int on = 1;

	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void connect_to(const char *address)
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
}

void rows_network(const char *name, const char *address)
{
	struct order order = { FOR_ECHO, 0 };

	buffer = page_aligned(LARGE);
	connect_to(address);
	measure_part(name, "send_kib", send_row);
	measure_part(name, "receive_kib", receive_row);
	write_all(peer, &order, sizeof(order));
	measure_part(name, "round_trip", round_trip_row);
	close(peer);
}

static void echo(int connection)
{
	char bytes[256];
	ssize_t got;

	while ((got = read(connection, bytes, sizeof(bytes))) > 0)
		if (write(connection, bytes, got) != got)
			break;
}

static void serve_one(int connection)
{
	struct order order;

	no_delay(connection);
	while (recv(connection, &order, sizeof(order), MSG_WAITALL) == sizeof(order)) {
		if (order.what == FOR_ECHO)
			return echo(connection);
		if (order.what == FOR_SOURCE) {
			send_all(connection, order.bytes);
			continue;
		}
		read_all(connection, order.bytes);
		write_all(connection, buffer, 1);
	}
}

void serve_peers(const char *port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	buffer = page_aligned(LARGE);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 1))
		die(port);
	for (;;) {
		int connection = accept(listener, NULL, NULL);

		if (connection >= 0)
			serve_one(connection);
		close(connection);
	}
}
