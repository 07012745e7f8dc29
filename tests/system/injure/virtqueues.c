// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile drivers: what the daemon's devices find in their pages, rings and calls. First with the kernel's own drivers at work, then as a
 * driver of our own, which negotiates well, so that the device runs on the rings that we wrote.
 */
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/io.h>

#include "injure.h"

#define DEVICE_ROUNDS 200

static u64 call_host(u32 call, u64 arg0, u64 arg1)
{
	u64 result;

	local_irq_disable();
	passage->mailbox.call = call;
	passage->mailbox.flags = CO_MAILBOX_INTERRUPTS_ON; /* what became pending is handled at the next tick */
	passage->mailbox.arg[0] = arg0;
	passage->mailbox.arg[1] = arg1;
	((co_passage_switch_fn)CO_PASSAGE_VIRT)(passage, &passage->guest, &passage->host);
	result = passage->mailbox.result[0];
	local_irq_enable();
	return result;
}

static struct co_device *any_device(void)
{
	return &devices[below(device_count)];
}

static void ring(struct co_device *device)
{
	call_host(CO_CALL_DOORBELL, below(4) ? device->doorbell : below(2) ? below(CO_DOORBELLS) : random_bits(), 0);
}

static void ask(struct co_device *device)
{
	call_host(CO_CALL_DEVICE, below(4) ? device - devices : random_bits(), below(4) ? 1 + below(3) : random_bits());
}

/* Random words and bits, or values that a driver might have meant */
static void spoil(void *start, u32 bytes)
{
	u32 *word = (u32 *)((u64)start + (below(bytes) & ~3ull));
	u16 *half = (u16 *)word + below(2);

	switch (below(4)) {
	case 0: WRITE_ONCE(*word, random_bits()); break;
	case 1: WRITE_ONCE(*word, *word ^ 1u << below(32)); break;
	case 2: WRITE_ONCE(*half, below(300)); break;
	default: WRITE_ONCE(*half, *half + below(16)); break;
	}
}

static void *ring_memory(u64 phys)
{
	return pfn_valid(PHYS_PFN(phys)) ? __va(phys) : NULL;
}

static void spoil_ring(struct co_device *device)
{
	struct co_virtqueue *queue = &device->queue[below(CO_MAX_QUEUES)];
	u32 size = queue->size, which = below(3);
	u64 phys = which == 0 ? queue->descriptors : which == 1 ? queue->driver : queue->device;
	char *memory = ring_memory(phys);

	if (!memory || !size || size > 1024)
		return;
	if (which == 1 && below(2)) /* the index: something is there */
		*(u16 *)(memory + 2) += 1 + below(size);
	else
		spoil(memory, which == 0 ? 16 * size : which == 1 ? 4 + 2 * size : 4 + 8 * size);
}

static void device_storm(bool pages, bool rings)
{
	unsigned int i, changes;

	if (!device_count)
		return;
	for (i = 0; i < DEVICE_ROUNDS; i++) {
		struct co_device *device = any_device();

		for (changes = 1 + below(8); changes; changes--) {
			if (pages && below(2))
				spoil(device, offsetof(struct co_device, padding));
			else if (rings)
				spoil_ring(device);
		}
		ring(device);
		if (pages)
			ask(device);
	}
}

#define QUEUE_BYTES 0x4000 /* descriptors, at 0x2000 the available ring, at 0x3000 the used ring */
#define QUEUE_SIZE_BITS 8

/* Chains that could mostly be good ones, in memory that holds the rings, too; and a few more of them available */
static void write_queue(char *queue, u32 size, u64 buffers, u32 bytes)
{
	u64 *descriptor = (u64 *)queue;
	u16 *available = (u16 *)(queue + 0x2000);
	u32 i;

	for (i = 0; i < size; i++) {
		u64 flags = below(4) | (below(32) ? 0 : 4); /* NEXT, WRITE; INDIRECT */

		descriptor[2 * i] = below(64) ? buffers + below(bytes) : random_bits();
		descriptor[2 * i + 1] = below(64) ? 1 + below(below(2) ? 64 : 8192) : (u32)random_bits();
		descriptor[2 * i + 1] |= flags << 32 | (below(64) ? below(size) : random_bits()) << 48;
		available[2 + i] = below(256) ? below(size) : random_bits();
	}
	available[1] += below(64) ? below(2) : random_bits();
}

/* A driver of our own, which does right all that comes before the rings: so the device runs on what we wrote */
static void own_driver(struct co_device *device, char *memory, u32 bytes)
{
	unsigned int queues = min_t(u32, device->queues, CO_MAX_QUEUES), i, rounds;

	call_host(CO_CALL_DEVICE, device - devices, CO_DEVICE_RESET);
	memset(memory, 0, bytes); /* a new device begins with index 0 */
	device->status = 3; /* ACKNOWLEDGE, DRIVER */
	call_host(CO_CALL_DEVICE, device - devices, CO_DEVICE_STATUS);
	device->driver_features = (device->device_features & random_bits()) | 1ull << 32; /* VERSION_1 */
	device->status = 11; /* FEATURES_OK */
	call_host(CO_CALL_DEVICE, device - devices, CO_DEVICE_STATUS);
	for (i = 0; i < queues; i++) {
		struct co_virtqueue *queue = &device->queue[i];

		queue->size = min_t(u32, 1u << below(QUEUE_SIZE_BITS + 1), queue->size_max);
		queue->descriptors = virt_to_phys(memory) + i * QUEUE_BYTES;
		queue->driver = queue->descriptors + 0x2000;
		queue->device = queue->descriptors + 0x3000;
		queue->ready = 1;
	}
	device->status = 15; /* DRIVER_OK */
	call_host(CO_CALL_DEVICE, device - devices, CO_DEVICE_STATUS);
	for (rounds = 0; rounds < 20; rounds++) {
		for (i = 0; i < queues; i++)
			write_queue(memory + i * QUEUE_BYTES, device->queue[i].size, virt_to_phys(memory), bytes);
		ring(device);
	}
}

void virtqueue_pages(void) { device_storm(true, false); }
void virtqueue_rings(void) { device_storm(false, true); }
void virtqueue_all(void) { device_storm(true, true); }

void virtqueue_driver(void)
{
	unsigned int order = 6, i;
	char *memory = (char *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, order);

	for (i = 0; memory && device_count && i < 20; i++)
		own_driver(any_device(), memory, PAGE_SIZE << order);
}
