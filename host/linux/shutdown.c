// SPDX-License-Identifier: GPL-2.0
/* The host shuts down, reboots or starts another kernel (kexec) with guests alive: `reboot -f` ends no process. The
 * guests end first, so that no CPU is in one when the host stops its CPUs and devices. */
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/smp.h>

#include <colinux/abi.h>
#include <colinux/host_os.h>
#include "glue.h"

static void co_nothing(void *unused)
{
}

static int co_host_ends(struct notifier_block *block, unsigned long action, void *unused)
{
	co_core_end_guests(CO_KILL_HOST_ENDS);
	/* A CPU that takes this interrupt is out of its guest, and enters no guest that has ended */
	on_each_cpu(co_nothing, NULL, 1);
	return NOTIFY_DONE;
}

static struct notifier_block co_reboot_block = { .notifier_call = co_host_ends };

int co_shutdown_init(void)
{
	return register_reboot_notifier(&co_reboot_block);
}

void co_shutdown_exit(void)
{
	unregister_reboot_notifier(&co_reboot_block);
}
