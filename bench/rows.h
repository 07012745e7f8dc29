/* SPDX-License-Identifier: GPL-2.0 */
/* The rows of the benchmark, by the file that has them. Each function measures and prints its rows. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

void rows_calls(void);      /* system calls, clocks, page faults, signals */
void rows_processes(void);  /* fork+exit+wait, fork+exec of this program, threads */
void rows_exchanges(void);  /* pipe ping-pong, context switch, futex */

/* These print NAME_READ_4K and so on: a disk (O_DIRECT; random 4 KiB, sequential 64 KiB), a peer at ADDRESS:PORT (one
 * byte there and back; a KiB of a long stream each way), a terminal (16 KiB of lines; "pty": a pseudo-terminal); or the row
 * NAME: fork + exec + wait of another build of this program, a line for the shell (a whole job, so a few runs only). */
typedef void (*named_rows)(const char *name, const char *value);
void rows_disk(const char *name, const char *path);
void rows_network(const char *name, const char *address);
void rows_console(const char *name, const char *path);
void rows_exec(const char *name, const char *path);
void rows_program(const char *name, const char *command);

void serve_peers(const char *port) __attribute__((noreturn)); /* the other end of rows_network, on all addresses */

#endif
