// SPDX-License-Identifier: GPL-2.0
/*
 * Registers the daemon's virtio devices with the kernel's own virtio core, after the last initcall, so that
 * they exist before /init runs. Where the core is modular it is requested from the initramfs; where that fails
 * its arrival is waited for. References to its modules are kept for good: we could not leave before them.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "graft.h"
#include "transport.h"

struct co_virtio_core co_virtio;

static struct co_transport *transport;
static bool registered;

/* All functions or none; what was found stays referenced for the next attempt */
static bool find_virtio_core(void)
{
#define FIND(name) \
	if (!co_virtio.name) \
		co_virtio.name = __symbol_get(#name); \
	if (!co_virtio.name) \
		return false;
	CO_VIRTIO_FUNCTIONS(FIND)
#undef FIND
	return true;
}

static void release(struct device *device)
{
	kfree(container_of(device, struct co_virtio_device, virtio.dev));
}

static void register_device(struct co_device *shared, unsigned int number, struct device *parent)
{
	struct co_virtio_device *device;
	int error;

	if (!shared->device_id || shared->device_id == CO_MEMORY_DEVICE || shared->irq_line >= CO_IRQ_LINES)
		return;
	device = kzalloc(sizeof(*device), GFP_KERNEL);
	if (!device)
		return;
	device->shared = shared;
	device->number = number;
	device->virtio.id.device = shared->device_id;
	device->virtio.id.vendor = shared->vendor_id;
	device->virtio.config = &co_virtio_operations;
	device->virtio.dev.parent = parent;
	device->virtio.dev.release = release;
	error = co_virtio.register_virtio_device(&device->virtio);
	if (error) {
		pr_err("colinux: virtio device %u: error %d\n", number, error);
		put_device(&device->virtio.dev);
	}
}

static void register_devices(void)
{
	struct device *parent = __root_device_register("colinux", NULL);
	unsigned int number;

	if (IS_ERR(parent)) {
		pr_err("colinux: no parent for the virtio devices: error %ld\n", PTR_ERR(parent));
		return;
	}
	for (number = 0; number < min_t(u32, transport->devices, CO_MAX_DEVICES); number++)
		register_device((struct co_device *)(transport + 1) + number, number, parent);
}

/* It is no virtio device, and needs none of that core */
static void start_memory_device(void)
{
	struct co_device *device = (struct co_device *)(transport + 1);
	unsigned int number;

	for (number = 0; number < min_t(u32, transport->devices, CO_MAX_DEVICES); number++) {
		if (device[number].device_id == CO_MEMORY_DEVICE && device[number].irq_line < CO_IRQ_LINES)
			co_memory_start(&device[number], number);
	}
}

static void register_late(struct work_struct *work)
{
	if (registered || !find_virtio_core())
		return;
	registered = true;
	register_devices();
}

static DECLARE_WORK(late_work, register_late);

static int module_event(struct notifier_block *block, unsigned long event, void *module)
{
	if (event == MODULE_STATE_LIVE && !READ_ONCE(registered))
		schedule_work(&late_work);
	return NOTIFY_DONE;
}

static struct notifier_block module_block = { .notifier_call = module_event };

void co_transport_start(void)
{
	if (!co_boot_info.transport)
		return;
	transport = co_shared_memory(co_boot_info.transport);
	if (transport->magic != CO_TRANSPORT_MAGIC || transport->version != CO_TRANSPORT_VERSION) {
		pr_err("colinux: the transport's version is %u, not %u\n", transport->version, CO_TRANSPORT_VERSION);
		return;
	}
	start_memory_device();
	if (!find_virtio_core()) {
		request_module("virtio");
		if (!find_virtio_core()) {
			register_module_notifier(&module_block);
			schedule_work(&late_work);
			return;
		}
	}
	registered = true;
	register_devices();
}
