// SPDX-License-Identifier: GPL-2.0
/*
 * hvc0 on the console ring: the kernel's console and the login terminal, with input and resizing, in every
 * kernel that has the hvc driver built in (all of Debian's), virtio or not.
 */
#include <linux/console.h>
#include <linux/tty.h>
#include <linux/tty_port.h>
#include <linux/workqueue.h>

#include "graft.h"
#include "hvc.h"

#define TERMINAL 0
#define OUTPUT_BUFFER_BYTES 1024
#define CTRL_O 0x0f

extern struct console hvc_console_driver asm("hvc_console") __weak;

static struct hvc_struct *terminal_device;

static void apply_size(struct work_struct *work)
{
	struct tty_struct *tty = tty_port_tty_get(&terminal_device->port);
	struct winsize size = { 0 };

	if (!tty)
		return;
	co_ring_size_changed(&size.ws_row, &size.ws_col);
	tty_do_resize(tty, &size);
	tty_kref_put(tty);
}

static DECLARE_WORK(size_work, apply_size);

/*
 * On the kernel's console the hvc driver takes Ctrl-O for the SysRq key: the next key could reboot the guest. Two of them are
 * one Ctrl-O for the program.
 */
static char sysrq_key(void)
{
#ifdef CONFIG_MAGIC_SYSRQ
	if (&hvc_console_driver && hvc_console_driver.index == 0)
		return CTRL_O;
#endif
	return 0;
}

static co_hvc_result get_chars(u32 terminal, co_hvc_char *text, co_hvc_count count)
{
	return co_ring_read((char *)text, count, sysrq_key());
}

static co_hvc_result put_chars(u32 terminal, const co_hvc_char *text, co_hvc_count count)
{
	u32 done = co_ring_write((const char *)text, count);

	if (done == 0 && count > 0) {
		/* Full. The kernel's console would drop the text for any other answer than "try again" */
		co_call(CO_CALL_YIELD, 0, 0, 0, 0);
		return -EAGAIN;
	}
	return done;
}

/*
 * The hvc driver wakes its thread for every write, so twice for a line, and each time the thread takes the CPU to find nothing to do.
 * While nothing waits in the driver's buffer and the ring takes all, that is left out: the terminal has these operations, the
 * driver's own but for this one.
 */
static const struct tty_operations *hvc_operations;
static struct tty_operations terminal_operations;

static co_tty_result write_terminal(struct tty_struct *tty, const u8 *text, co_tty_count count)
{
	co_tty_result done = 0;

	if (hvc_operations->write_room(tty) == OUTPUT_BUFFER_BYTES) /* else something waits, or the terminal was hung up */
		done = co_ring_write((const char *)text, count);
	if (done < (co_tty_result)count) /* the ring is full: the driver tries again, and wakes who waits */
		done += hvc_operations->write(tty, text + done, count - done);
	return done;
}

static void use_terminal_operations(struct hvc_struct *hvc)
{
	struct tty_struct *tty = tty_port_tty_get(&hvc->port);

	if (!tty)
		return;
	if (!hvc_operations) {
		terminal_operations = *tty->ops;
		terminal_operations.write = write_terminal;
		hvc_operations = tty->ops;
	}
	tty->ops = &terminal_operations;
	tty_kref_put(tty);
}

static int opened(struct hvc_struct *hvc, int interrupt)
{
	int error = notifier_add_irq(hvc, interrupt);

	if (!error && hvc == terminal_device) {
		use_terminal_operations(hvc);
		schedule_work(&size_work);
	}
	return error;
}

static const struct hv_ops operations = {
	.get_chars = get_chars,
	.put_chars = put_chars,
	.notifier_add = opened,
	.notifier_del = notifier_del_irq,
	.notifier_hangup = notifier_hangup_irq,
};

void co_console_instantiate(void)
{
	if (co_boot_info.console_ring)
		hvc_instantiate(TERMINAL, 0, &operations);
}

int co_console_start(void)
{
	struct hvc_struct *hvc;

	if (!co_boot_info.console_ring)
		return 0;
	hvc = hvc_alloc(TERMINAL, co_irq_of_line(CO_IRQ_LINE_CONSOLE), &operations, OUTPUT_BUFFER_BYTES);
	if (IS_ERR(hvc))
		return PTR_ERR(hvc);
	terminal_device = hvc;
	return 0;
}

void co_console_line(void)
{
	u16 rows, columns;

	if (terminal_device && co_ring_size_changed(&rows, &columns))
		schedule_work(&size_work);
}
