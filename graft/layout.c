// SPDX-License-Identifier: GPL-2.0
/*
 * Which layouts of the kernel's data the graft's code relies on, for the loader to verify against the image's
 * own type information before the guest starts. Constants and offsets come from the headers that this object
 * was built with.
 */
#include <linux/clockchips.h>
#include <linux/console.h>
#include <linux/cpuhotplug.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/irq_work.h>
#include <linux/mm_types.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/i8259.h>
#include <asm/paravirt.h>
#include <asm/reboot.h>
#include <asm/smp.h>
#include <asm/x86_init.h>

#include <colinux/graft_object.h>

#include "graft.h"
#include "hvc.h"

#define MEMBER(type, path) \
	{ #type, #path, offsetof(struct type, path), sizeof_field(struct type, path) }
#define WHOLE(type) { #type, "", 0, sizeof(struct type) }
#define CONSTANT(type, name) { "enum " #type, #name, name, 0 }

static const struct co_graft_layout __used __section(".colinux.layout") layouts[] = {
	WHOLE(paravirt_patch_template),
	MEMBER(paravirt_patch_template, cpu.cpuid),
	MEMBER(paravirt_patch_template, cpu.read_msr),
	MEMBER(paravirt_patch_template, cpu.read_msr_safe),
	MEMBER(paravirt_patch_template, cpu.write_msr),
	MEMBER(paravirt_patch_template, cpu.write_msr_safe),
	MEMBER(paravirt_patch_template, cpu.io_delay),
	MEMBER(paravirt_patch_template, irq.halt),
	MEMBER(paravirt_patch_template, cpu.write_cr0),
	MEMBER(paravirt_patch_template, cpu.write_cr4),
	MEMBER(paravirt_patch_template, mmu.flush_tlb_kernel),
	MEMBER(paravirt_patch_template, lock.wait),
	MEMBER(paravirt_patch_template, lock.kick),
	MEMBER(paravirt_patch_template, lock.queued_spin_lock_slowpath),
	MEMBER(paravirt_patch_template, lock.queued_spin_unlock),
	WHOLE(x86_init_ops),
	MEMBER(x86_init_ops, resources.dmi_setup),
	MEMBER(x86_init_ops, irqs.intr_init),
	MEMBER(x86_init_ops, oem.arch_setup),
	MEMBER(x86_init_ops, timers.timer_init),
	MEMBER(x86_init_ops, pci.arch_init),
	MEMBER(x86_cpuinit_ops, setup_percpu_clockev),
	WHOLE(x86_platform_ops),
	MEMBER(x86_platform_ops, get_wallclock),
	MEMBER(x86_platform_ops, nmi_init),
	MEMBER(x86_platform_ops, legacy),
	MEMBER(x86_platform_ops, realmode_init),
	WHOLE(x86_legacy_features),
	WHOLE(legacy_pic),
	WHOLE(apic),
	MEMBER(apic, read),
	MEMBER(apic, get_apic_id),
	MEMBER(apic, wakeup_secondary_cpu),
	WHOLE(smp_ops),
	MEMBER(smp_ops, smp_prepare_cpus),
	MEMBER(smp_ops, smp_send_reschedule),
	MEMBER(smp_ops, cpu_disable),
	MEMBER(smp_ops, play_dead),
	MEMBER(smp_ops, send_call_func_single_ipi),
	WHOLE(machine_ops),
	MEMBER(machine_ops, power_off),
	WHOLE(irq_desc),
	MEMBER(irq_desc, handle_irq),
	WHOLE(irq_chip),
	MEMBER(irq_chip, irq_ack),
	WHOLE(clock_event_device),
	MEMBER(clock_event_device, event_handler),
	MEMBER(clock_event_device, set_next_event),
	MEMBER(clock_event_device, features),
	MEMBER(clock_event_device, cpumask),
	WHOLE(console),
	MEMBER(console, write),
	MEMBER(console, flags),
	WHOLE(irq_work),
	MEMBER(irq_work, func),
	WHOLE(notifier_block),
	MEMBER(task_struct, thread.sp),
	WHOLE(page),
	MEMBER(page, lru),
	MEMBER(page, private),
	WHOLE(work_struct),
	WHOLE(cpuinfo_x86),
	MEMBER(hv_ops, put_chars),
	MEMBER(hv_ops, notifier_add),
	MEMBER(hvc_struct, port),
	MEMBER(tty_struct, ops),
	WHOLE(tty_operations),
	MEMBER(tty_operations, write),
	MEMBER(tty_operations, write_room),
	CONSTANT(x86_legacy_i8042_state, X86_LEGACY_I8042_PLATFORM_ABSENT),
};
