// SPDX-License-Identifier: GPL-2.0
/*
 * The machine's I/O ports and everything in its physical address space that is not the guest's RAM are the host's. Drivers that look for
 * old hardware by trying its ports (parport_pc, floppy, Super-I/O sensors, watchdogs ...) ask the kernel's resource trees first: there all
 * of it is taken. Those that do not ask are named on the command line (vmm/loader/boot_params.cpp).
 */
#include <linux/ioport.h>

#include "graft.h"

#define OWNER "the host's"

static struct resource ports = {
	.name = OWNER,
	.start = 0,
	.end = IO_SPACE_LIMIT,
	.flags = IORESOURCE_IO | IORESOURCE_BUSY,
};

/* Before any driver, and before the kernel's own reservations, of which there are none then */
void co_take_ports(void)
{
	request_resource(&ioport_resource, &ports);
}

/* When the kernel has put its RAM there, and before modules can be loaded */
void co_take_memory(void)
{
	resource_size_t at = iomem_resource.start;
	struct resource *used = iomem_resource.child, *next;

	for (; used; used = next) {
		next = used->sibling;
		if (used->start > at)
			__request_region(&iomem_resource, at, used->start - at, OWNER, 0);
		at = used->end + 1;
	}
	if (at && at <= iomem_resource.end)
		__request_region(&iomem_resource, at, iomem_resource.end - at + 1, OWNER, 0);
}
