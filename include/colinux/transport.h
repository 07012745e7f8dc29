/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtio transport between the graft and the daemon. Nothing traps: a device is one page of
 * guest RAM that both read and write, a doorbell per device (guest -> host, an eventfd), an
 * interrupt line per device (host -> guest, an eventfd), and one synchronous call (CO_CALL_DEVICE)
 * for the rare changes that must be answered before the driver goes on.
 *
 * The model is virtio-mmio (virtio 1.2, section 4.2) with registers turned into memory. Feature
 * words, status bits, queue layout and configuration are the specification's; VIRTIO_F_VERSION_1
 * only, ring addresses are guest-physical.
 *
 * The daemon copies and checks everything that it reads from here: a hostile page harms only
 * the guest.
 */
#ifndef COLINUX_TRANSPORT_H
#define COLINUX_TRANSPORT_H

#include <colinux/types.h>

#define CO_TRANSPORT_MAGIC 0x54524f5053585543ull
#define CO_TRANSPORT_VERSION 2
#define CO_MAX_DEVICES 40
#define CO_MAX_QUEUES 8
#define CO_CONFIG_BYTES 1024

/* CO_CALL_DEVICE arg1 */
#define CO_DEVICE_STATUS 1  /* `status` was written; result 0, or an errno: then status shows NEEDS_RESET/FEATURES_OK cleared */
#define CO_DEVICE_RESET 2   /* result 0: the device has stopped touching memory, status is 0 */
#define CO_DEVICE_CONFIG 3  /* the driver wrote to `config` */

/* The memory device, by which the guest's RAM grows and shrinks. Not a virtio device: no queues, no features beyond VIRTIO_F_VERSION_1,
 * which the driver sets with all bits of CO_MEMORY_DRIVER_OK at once. Each change of its config (struct co_memory_config) comes with its
 * interrupt. The driver then gives up, or takes back, one block of CO_BLOCK_SIZE after the other, until present_bytes is
 * wanted_bytes or it cannot go on, and says so. CO_CALL_DEVICE, arg1, with arg2: */
#define CO_MEMORY_DEVICE 0x6d656d
#define CO_MEMORY_DRIVER_OK 15     /* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK */
#define CO_DEVICE_GIVE_UP 4        /* phys of a block that nobody in the guest uses; 0, or an errno as CO_GIVE_UP_BLOCK: then it stays the guest's */
#define CO_DEVICE_TAKE_BACK 5      /* phys of one given up before; 0: it is the guest's, zeroed. ENOMEM: not now */
#define CO_DEVICE_SETTLED 6        /* co_memory_config.request: the driver does no more for it */

#ifndef __ASSEMBLER__

struct co_memory_config {
	co_u64 wanted_bytes;
	co_u64 present_bytes;
	co_u64 request; /* one more with each wish */
};

struct co_virtqueue {
	co_u16 size_max; /* device: largest size, 0 = queue does not exist */
	co_u16 size;     /* driver: chosen, power of two */
	co_u16 ready;    /* driver: 1 before DRIVER_OK */
	co_u16 reserved;
	co_u64 descriptors, driver, device; /* driver: guest-physical ring addresses (avail = driver, used = device) */
};

struct co_device { /* one page */
	co_u32 device_id;     /* virtio device type; 0 = empty slot */
	co_u32 vendor_id;
	co_u32 irq_line;      /* 1..CO_IRQ_LINES-1 */
	co_u32 doorbell;      /* 1..CO_DOORBELLS-1: notifies all queues; the daemon looks at each */
	co_u64 device_features;
	co_u64 driver_features; /* written by the driver before FEATURES_OK */
	co_u32 status;          /* virtio device status */
	co_u32 config_generation; /* one more with each change of config: config[generation & 1] is the one that counts and stands still
				   until the change after the next; who saw it change while reading reads again */
	co_u32 interrupt_status;  /* 1 = used buffers, 2 = configuration; set by device (OR), cleared by driver (atomic exchange) */
	co_u32 queues;
	co_u32 config_bytes;
	co_u32 reserved[3];
	struct co_virtqueue queue[CO_MAX_QUEUES];
	co_u8 config[2][CO_CONFIG_BYTES];
	co_u8 padding[4096 - 64 - CO_MAX_QUEUES * 32 - 2 * CO_CONFIG_BYTES];
};
CO_STATIC_ASSERT(sizeof(struct co_device) == 4096, "one page per device");

struct co_transport { /* one page, then the device pages follow back to back */
	co_u64 magic;
	co_u32 version;
	co_u32 devices; /* number of device pages that follow */
	co_u64 reserved[510];
};
CO_STATIC_ASSERT(sizeof(struct co_transport) == 4096, "one page");

#endif /* !__ASSEMBLER__ */
#endif
