/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the graft needs of drivers/tty/hvc/hvc_console.h, which is not among a kernel's headers packages. The
 * loader verifies these layouts like all others (layout.c).
 */
#ifndef COLINUX_GRAFT_HVC_H
#define COLINUX_GRAFT_HVC_H

#include <linux/tty_port.h>

#include "compat.h"

/* Only the first member is used. */
struct hvc_struct {
	struct tty_port port;
};

struct hv_ops {
	co_hvc_result (*get_chars)(u32 terminal, co_hvc_char *text, co_hvc_count count);
	co_hvc_result (*put_chars)(u32 terminal, const co_hvc_char *text, co_hvc_count count);
	int (*flush)(u32 terminal, bool wait);
	int (*notifier_add)(struct hvc_struct *hvc, int interrupt);
	void (*notifier_del)(struct hvc_struct *hvc, int interrupt);
	void (*notifier_hangup)(struct hvc_struct *hvc, int interrupt);
	int (*tiocmget)(struct hvc_struct *hvc);
	int (*tiocmset)(struct hvc_struct *hvc, unsigned int set, unsigned int clear);
	void *dtr_rts;
};

int hvc_instantiate(u32 terminal, int index, const struct hv_ops *operations);
struct hvc_struct *hvc_alloc(u32 terminal, int data, const struct hv_ops *operations, int buffer_bytes);
int notifier_add_irq(struct hvc_struct *hvc, int interrupt);
void notifier_del_irq(struct hvc_struct *hvc, int interrupt);
void notifier_hangup_irq(struct hvc_struct *hvc, int interrupt);

#endif
