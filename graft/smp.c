// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs. vCPU n is CPU n with APIC id n. The kernel's own bring-up and take-down run unchanged; what
 * they would do through a local APIC is done here: waking a CPU by a call that starts a vCPU at the kernel's
 * 64-bit entry, interprocessor interrupts by bits in the target's passage.
 */
#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/sched.h>
#include <asm/apic.h>
#include <asm/cpu.h>
#include <asm/mpspec.h>
#include <asm/pgtable.h>
#include <asm/processor.h>
#include <asm/realmode.h>
#include <asm/smp.h>
#include <asm/spec-ctrl.h>
#include <asm/x86_init.h>

#include "graft.h"

#define APIC_VERSION 0x14
#define APIC_VERSION_REGISTER (5 << 16 | APIC_VERSION) /* six local vectors, as on any CPU since 2000 */
#define START_ATTEMPTS 1000

extern const char startup_code[] asm("secondary_startup_64");
extern struct apic apic_noop;
extern struct apic *apic;

static struct apic no_apic;                  /* answers with vCPU numbers, touches nothing */
static struct real_mode_header no_trampoline; /* the bring-up code reads addresses from it that nobody uses */

static int wake_cpu(co_apic_id apic_id, unsigned long start_address)
{
	u64 stack = co_task_of_cpu(apic_id)->thread.sp, error;
	unsigned int attempt;

	WRITE_ONCE(co_starting_cpu, apic_id);
	co_let_through(apic_id);
	for (attempt = 0; attempt < START_ATTEMPTS; attempt++) {
		error = co_call(CO_CALL_CPU_START, apic_id, (u64)startup_code, stack, __pa_symbol(init_top_pgt));
		if (error != EBUSY) /* it may still be on its way out of a CO_CALL_CPU_STOP */
			return -(int)error;
		co_call(CO_CALL_YIELD, 0, 0, 0, 0);
	}
	return -EBUSY;
}

static u32 apic_id_of_this_cpu(co_apic_register value)
{
	return raw_smp_processor_id();
}

static u32 read_register(u32 number)
{
	return number == APIC_LVR ? APIC_VERSION_REGISTER : 0;
}

static void no_wait(void)
{
}

#if CO_APIC_HAS_PACKAGE_ID
static int package_id(int apic_id, int index_msb)
{
	return apic_id >> index_msb;
}
#endif

static void use_no_apic(void)
{
	no_apic = apic_noop;
	no_apic.name = "colinux";
	no_apic.read = read_register;
	no_apic.get_apic_id = apic_id_of_this_cpu;
	no_apic.wait_icr_idle = no_wait;
	no_apic.wakeup_secondary_cpu = wake_cpu;
#if CO_APIC_HAS_PACKAGE_ID
	no_apic.phys_pkg_id = package_id;
#endif
	apic = &no_apic;
}

#if CO_TOPOLOGY_REGISTERS_APICS
static void register_cpus(void)
{
	unsigned int cpu;

	topology_register_boot_apic(0);
	for (cpu = 0; cpu < co_boot_info.vcpus; cpu++)
		topology_register_apic(cpu, CPU_ACPIID_INVALID, true);
	smp_found_config = 1;
}

static void hook_cpu_enumeration(void)
{
	x86_init.mpparse.find_mptable = x86_init_noop;
	x86_init.mpparse.early_parse_smp_cfg = x86_init_noop;
	x86_init.mpparse.parse_smp_cfg = register_cpus;
}
#else
static void register_cpus(unsigned int early)
{
	unsigned int cpu;

	if (early)
		return;
	boot_cpu_physical_apicid = 0;
	boot_cpu_apic_version = APIC_VERSION;
	for (cpu = 0; cpu < co_boot_info.vcpus; cpu++)
		generic_processor_info(cpu, APIC_VERSION);
	smp_found_config = 1;
}

static void hook_cpu_enumeration(void)
{
	x86_init.mpparse.find_smp_config = x86_init_noop;
	x86_init.mpparse.get_smp_config = register_cpus;
}
#endif

static void prepare_real_mode(void)
{
	real_mode_header = &no_trampoline;
}

static void prepare_boot_cpu(void)
{
	native_smp_prepare_boot_cpu();
	if (co_boot_info.vcpus > 1)
		co_spinlocks_init();
}

static void prepare_cpus(unsigned int max_cpus)
{
	smp_prepare_cpus_common();
	speculative_store_bypass_ht_init();
	co_choose_return_thunk();
}

/* On a new CPU, interrupts off; the kernel has just emptied its vector table */
static void vectors_online(void)
{
	co_fill_vectors(raw_smp_processor_id());
	co_call_interrupts_off(CO_CALL_NMI_READY, 0, 1);
}

static int disable_cpu(void)
{
	if (raw_smp_processor_id() == 0)
		return -EBUSY; /* device lines lead there */
	cpu_disable_common();
	co_fill_vectors(raw_smp_processor_id()); /* interrupts come on once more before it dies */
	return 0;
}

static void play_dead_here(void)
{
	play_dead_common();
	native_irq_disable();
	co_call_interrupts_off(CO_CALL_SET_TIMER, 0, 0);
	co_call_interrupts_off(CO_CALL_NMI_READY, 0, 0);
	for (;;)
		co_call_interrupts_off(CO_CALL_CPU_STOP, 0, 0);
}

static void send_reschedule(int cpu)
{
	co_raise(cpu, CO_PENDING_RESCHEDULE);
}

static void send_call_function_single(int cpu)
{
	co_raise(cpu, CO_PENDING_CALL_FUNCTION_SINGLE);
}

static void send_call_function(const struct cpumask *mask)
{
	unsigned int cpu;

	for_each_cpu(cpu, mask)
		co_raise(cpu, CO_PENDING_CALL_FUNCTION);
}

/* Only ever on the way to a call that ends the guest as a whole */
static void leave_other_cpus(int wait)
{
}

static void crash_leave_other_cpus(void)
{
}

void co_smp_init(void)
{
	use_no_apic();
	hook_cpu_enumeration();
	co_forbid_parallel_start();
	x86_platform.realmode_reserve = x86_init_noop;
	x86_platform.realmode_init = prepare_real_mode;
	x86_platform.nmi_init = vectors_online;
	smp_ops.smp_prepare_boot_cpu = prepare_boot_cpu;
	smp_ops.smp_prepare_cpus = prepare_cpus;
	smp_ops.cpu_disable = disable_cpu;
	smp_ops.play_dead = play_dead_here;
	smp_ops.stop_other_cpus = leave_other_cpus;
	smp_ops.crash_stop_other_cpus = crash_leave_other_cpus;
	smp_ops.smp_send_reschedule = send_reschedule;
	smp_ops.send_call_func_ipi = send_call_function;
	smp_ops.send_call_func_single_ipi = send_call_function_single;
}
