/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the two halves of the virtio transport: transport.c finds the virtio core and registers the devices,
 * virtio_device.c is what a device does. The core may be modules (6.1) or built in (6.12), so its functions
 * are looked up when they are needed.
 */
#ifndef COLINUX_GRAFT_TRANSPORT_H
#define COLINUX_GRAFT_TRANSPORT_H

#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <colinux/transport.h>

#define CO_VIRTIO_FUNCTIONS(X) \
	X(register_virtio_device) \
	X(virtio_config_changed) \
	X(vring_create_virtqueue) \
	X(vring_del_virtqueue) \
	X(vring_interrupt) \
	X(vring_transport_features) \
	X(virtqueue_get_desc_addr) \
	X(virtqueue_get_avail_addr) \
	X(virtqueue_get_used_addr) \
	X(virtqueue_get_vring_size)

struct co_virtio_core {
#define CO_MEMBER(name) typeof(name) *name;
	CO_VIRTIO_FUNCTIONS(CO_MEMBER)
#undef CO_MEMBER
};
extern struct co_virtio_core co_virtio;

struct co_virtio_device {
	struct virtio_device virtio;
	struct co_device *shared; /* its page */
	unsigned int number;
};

void co_memory_start(struct co_device *shared, unsigned int number); /* memory_blocks.c */

extern const struct virtio_config_ops co_virtio_operations;

#endif
