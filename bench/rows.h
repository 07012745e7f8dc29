/* SPDX-License-Identifier: GPL-2.0 */
/* The rows of the benchmark, by the file that has them. Each function measures and prints its rows. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

void rows_calls(void);      /* getppid, clock_gettime, page fault, mmap, signal */
void rows_processes(void);  /* fork+exit+wait, fork+exec */
void rows_exchanges(void);  /* pipe ping-pong, context switch, futex */
void rows_disk(const char *name, const char *path); /* 4 KiB random reads, O_DIRECT */
void rows_network(const char *name, const char *address); /* one byte there and back; ADDRESS:PORT */

void serve_echo(const char *port) __attribute__((noreturn)); /* the other end of rows_network, on all addresses */

#endif
