// SPDX-License-Identifier: GPL-2.0
/* eventfds: doorbells (the guest signals one) and interrupt lines (one signals the guest). */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <colinux/host_os.h>
#include "compat.h"

struct co_os_watch {
	struct eventfd_ctx *event;
	wait_queue_entry_t entry;
	poll_table poll;
	void (*raised)(void *context, co_u32 number);
	void *context;
	co_u32 number;
};

struct co_os_event *co_os_event_get(co_s64 descriptor)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(descriptor);

	return IS_ERR(event) ? NULL : (struct co_os_event *)event;
}

void co_os_event_put(struct co_os_event *event)
{
	eventfd_ctx_put((struct eventfd_ctx *)event);
}

void co_os_event_signal(struct co_os_event *event)
{
	co_eventfd_signal((struct eventfd_ctx *)event);
}

static int co_watch_wakeup(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct co_os_watch *watch = container_of(entry, struct co_os_watch, entry);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		eventfd_ctx_do_read(watch->event, &count);
		watch->raised(watch->context, watch->number);
	}
	return 0;
}

static void co_watch_queue(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct co_os_watch *watch = container_of(poll, struct co_os_watch, poll);

	add_wait_queue_priority(queue, &watch->entry);
}

struct co_os_watch *co_os_event_watch(co_s64 descriptor, void (*raised)(void *context, co_u32 number),
				      void *context, co_u32 number)
{
	struct co_os_watch *watch;
	struct file *file = fget(descriptor);

	if (!file)
		return NULL;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL);
	if (watch)
		watch->event = eventfd_ctx_fileget(file);
	if (!watch || IS_ERR(watch->event)) {
		kfree(watch);
		fput(file);
		return NULL;
	}
	watch->raised = raised;
	watch->context = context;
	watch->number = number;
	init_waitqueue_func_entry(&watch->entry, co_watch_wakeup);
	init_poll_funcptr(&watch->poll, co_watch_queue);
	if (vfs_poll(file, &watch->poll) & EPOLLIN)
		raised(context, number); /* signalled before we looked */
	fput(file);
	return watch;
}

void co_os_event_unwatch(struct co_os_watch *watch)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(watch->event, &watch->entry, &count);
	eventfd_ctx_put(watch->event);
	kfree(watch);
}
