/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the module share. */
#ifndef COLINUX_TESTS_INJURE_H
#define COLINUX_TESTS_INJURE_H

#include <linux/types.h>

#include <colinux/boot_info.h>
#include <colinux/passage.h>
#include <colinux/transport.h>

extern struct co_passage *passage; /* CPU 0's, on which all this runs */
extern struct co_device *devices;  /* the transport's pages */
extern unsigned int device_count;

u64 random_bits(void);
u64 below(u64 limit);

void virtqueue_pages(void);
void virtqueue_rings(void);
void virtqueue_all(void);
void virtqueue_driver(void);

#endif
