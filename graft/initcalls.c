// SPDX-License-Identifier: GPL-2.0
/*
 * A place in the kernel's initialisation for what needs a running kernel: entries of its initcall table are
 * replaced. Drivers of hardware that probe ports without asking whether there is any are replaced by ours or
 * by nothing; the very last entry is chained, since only then modules may be loaded (their keys come in a
 * late initcall).
 */
#include <linux/init.h>

#include "graft.h"

extern initcall_entry_t __initcall_start[], __initcall_end[];
extern int serial8250_init(void) __weak;
extern int i8237A_init_ops(void) __weak;
extern int add_pcspkr(void) __weak;
extern int mcheck_init_device(void) __weak;

static initcall_t kernels_last;

static int nothing(void)
{
	return 0;
}

static void set_entry(initcall_entry_t *entry, initcall_t function)
{
	*entry = (unsigned long)function - (unsigned long)entry;
}

static bool replace(initcall_t old, initcall_t new)
{
	initcall_entry_t *entry;

	for (entry = __initcall_start; old && entry < __initcall_end; entry++) {
		if (initcall_from_entry(entry) == old) {
			set_entry(entry, new);
			return true;
		}
	}
	return false;
}

static bool console_has_place;

static int last(void)
{
	int result = kernels_last();

	if (!console_has_place)
		co_console_start();
	co_take_memory();
	co_refuse_sleep();
	co_set_clock();
	co_count_stolen_time();
	co_transport_start();
	return result;
}

void co_initcalls_init(void)
{
	replace(i8237A_init_ops, nothing);
	replace(add_pcspkr, nothing);
	replace(mcheck_init_device, nothing); /* it would complain on the console */
	console_has_place = replace(serial8250_init, co_console_start);
	kernels_last = initcall_from_entry(__initcall_end - 1);
	set_entry(__initcall_end - 1, last);
}
