/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a device's config space (colinux/transport.h), for virtio_device.c and its tests (tests/unit/graft). Nobody is waited
 * for: the half that the generation names is whole, also while the daemon is off its CPU amid a change. Who reads again does
 * so because a whole change came in between.
 */
#ifndef COLINUX_GRAFT_CONFIG_SPACE_H
#define COLINUX_GRAFT_CONFIG_SPACE_H

#include <colinux/transport.h>

static inline co_u32 co_config_generation(const struct co_device *device)
{
	return __atomic_load_n(&device->config_generation, __ATOMIC_ACQUIRE);
}

static inline int co_config_contains(unsigned int offset, unsigned int bytes)
{
	return offset <= CO_CONFIG_BYTES && bytes <= CO_CONFIG_BYTES - offset;
}

/* Of one change, the newest. co_config_contains() is true. */
static inline void co_read_config(const struct co_device *device, unsigned int offset, void *buffer, unsigned int bytes)
{
	co_u32 before, after = co_config_generation(device);

	do {
		before = after;
		__builtin_memcpy(buffer, device->config[before & 1] + offset, bytes);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = co_config_generation(device);
	} while (after != before);
}

#endif
