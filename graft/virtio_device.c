// SPDX-License-Identifier: GPL-2.0
/*
 * One virtio device on its shared page (colinux/transport.h): the operations that the virtio core asks of a
 * transport. The model is virtio-mmio (virtio 1.2, section 4.2) with registers turned into memory. Status,
 * reset and configuration writes are answered by the daemon before they return; a notification is a doorbell.
 */
#include <linux/interrupt.h>
#include <linux/string.h>

#include "config_space.h"
#include "graft.h"
#include "transport.h"

#define INTERRUPT_USED_BUFFERS 1
#define INTERRUPT_CONFIGURATION 2
#define RING_ALIGNMENT 4096

static struct co_virtio_device *of(struct virtio_device *device)
{
	return container_of(device, struct co_virtio_device, virtio);
}

static u64 ask_daemon(struct co_virtio_device *device, u64 request)
{
	return co_call(CO_CALL_DEVICE, device->number, request, 0, 0);
}

static u64 get_features(struct virtio_device *device)
{
	return of(device)->shared->device_features;
}

static int finalize_features(struct virtio_device *device)
{
	co_virtio.vring_transport_features(device);
	if (!__virtio_test_bit(device, VIRTIO_F_VERSION_1))
		return -EINVAL;
	of(device)->shared->driver_features = device->features;
	return 0;
}

static u32 generation(struct virtio_device *device)
{
	return co_config_generation(of(device)->shared);
}

static void get_config(struct virtio_device *device, unsigned int offset, void *buffer, unsigned int bytes)
{
	memset(buffer, 0, bytes);
	if (co_config_contains(offset, bytes))
		co_read_config(of(device)->shared, offset, buffer, bytes);
}

static void set_config(struct virtio_device *device, unsigned int offset, const void *buffer, unsigned int bytes)
{
	struct co_device *shared = of(device)->shared;

	if (!co_config_contains(offset, bytes))
		return;
	memcpy(shared->config[co_config_generation(shared) & 1] + offset, buffer, bytes);
	ask_daemon(of(device), CO_DEVICE_CONFIG);
}

static u8 get_status(struct virtio_device *device)
{
	return READ_ONCE(of(device)->shared->status);
}

static void set_status(struct virtio_device *device, u8 status)
{
	WRITE_ONCE(of(device)->shared->status, status);
	ask_daemon(of(device), CO_DEVICE_STATUS);
}

static void reset(struct virtio_device *device)
{
	ask_daemon(of(device), CO_DEVICE_RESET);
}

static bool notify(struct virtqueue *queue)
{
	co_call(CO_CALL_DOORBELL, of(queue->vdev)->shared->doorbell, 0, 0, 0);
	return true;
}

static irqreturn_t interrupt(int number, void *argument)
{
	struct co_virtio_device *device = argument;
	u32 status = xchg(&device->shared->interrupt_status, 0);
	struct virtqueue *queue;

	if (status & INTERRUPT_CONFIGURATION)
		co_virtio.virtio_config_changed(&device->virtio);
	if (status & INTERRUPT_USED_BUFFERS) {
		virtio_device_for_each_vq(&device->virtio, queue)
			co_virtio.vring_interrupt(number, queue);
	}
	return IRQ_HANDLED;
}

static int interrupt_of(struct co_virtio_device *device)
{
	return co_irq_of_line(device->shared->irq_line);
}

static struct virtqueue *create_queue(struct co_virtio_device *device, unsigned int index, vq_callback_t *callback,
				      const char *name, bool context)
{
	struct co_virtqueue *shared;
	struct virtqueue *queue;

	if (index >= device->shared->queues || index >= CO_MAX_QUEUES)
		return ERR_PTR(-ENOENT);
	shared = &device->shared->queue[index];
	if (!shared->size_max || shared->ready)
		return ERR_PTR(-ENOENT);
	queue = co_virtio.vring_create_virtqueue(index, shared->size_max, RING_ALIGNMENT, &device->virtio, true, true,
						 context, notify, callback, name);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	queue->num_max = shared->size_max;
	shared->size = co_virtio.virtqueue_get_vring_size(queue);
	shared->descriptors = co_virtio.virtqueue_get_desc_addr(queue);
	shared->driver = co_virtio.virtqueue_get_avail_addr(queue);
	shared->device = co_virtio.virtqueue_get_used_addr(queue);
	smp_store_release(&shared->ready, 1);
	return queue;
}

static void delete_queues(struct virtio_device *device)
{
	struct virtqueue *queue, *next;

	list_for_each_entry_safe(queue, next, &device->vqs, list) {
		of(device)->shared->queue[queue->index].ready = 0;
		co_virtio.vring_del_virtqueue(queue);
	}
	free_irq(interrupt_of(of(device)), of(device));
}

static int find_queues(struct virtio_device *device, unsigned int count, struct virtqueue *queues[], CO_VQS_PARAMETERS)
{
	unsigned int i, index = 0;
	int error = request_irq(interrupt_of(of(device)), interrupt, IRQF_SHARED, dev_name(&device->dev), of(device));

	if (error)
		return error;
	for (i = 0; i < count; i++) {
		queues[i] = NULL;
		if (!co_vq_name(i))
			continue;
		queues[i] = create_queue(of(device), index++, co_vq_callback(i), co_vq_name(i), co_vq_context(i));
		if (IS_ERR(queues[i])) {
			delete_queues(device);
			return PTR_ERR(queues[i]);
		}
	}
	return 0;
}

static void synchronize_callbacks(struct virtio_device *device)
{
	synchronize_irq(interrupt_of(of(device)));
}

static const char *bus_name(struct virtio_device *device)
{
	return "colinux";
}

const struct virtio_config_ops co_virtio_operations = {
	.get = get_config,
	.set = set_config,
	.generation = generation,
	.get_status = get_status,
	.set_status = set_status,
	.reset = reset,
	.find_vqs = find_queues,
	.del_vqs = delete_queues,
	.synchronize_cbs = synchronize_callbacks,
	.get_features = get_features,
	.finalize_features = finalize_features,
	.bus_name = bus_name,
};
