// SPDX-License-Identifier: GPL-2.0
/*
 * A host that is itself a KVM guest gets "page not present" as #PF with a token (asynchronous page faults). One that
 * comes while our guest runs would go to the guest's #PF handler. So the feature is off on every CPU while guests exist.
 *
 * Tasks that wait for a page at that moment are woken when the feature is switched on again: KVM then broadcasts
 * "all ready". To leave none behind it is switched off, on (which wakes all), and off once more after a while. A CPU that
 * comes online meanwhile enables the feature by itself, in an earlier step of its way up than ours: no task has run there yet.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kvm_para.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "glue.h"

#define BROADCAST_MS 20

static DEFINE_PER_CPU(u64, co_async_fault_setting);

static bool co_has_async_faults(void)
{
	u32 base = kvm_para_available() ? hypervisor_cpuid_base(KVM_SIGNATURE, KVM_CPUID_FEATURES) : 0;

	return base && (cpuid_eax(base | KVM_CPUID_FEATURES) & BIT(KVM_FEATURE_ASYNC_PF));
}

static void co_save_here(void *unused)
{
	u64 setting = 0;

	rdmsrl_safe(MSR_KVM_ASYNC_PF_EN, &setting);
	this_cpu_write(co_async_fault_setting, setting);
}

static void co_disable_here(void *unused)
{
	if (this_cpu_read(co_async_fault_setting) & KVM_ASYNC_PF_ENABLED)
		wrmsrl_safe(MSR_KVM_ASYNC_PF_EN, 0);
}

static void co_enable_here(void *unused)
{
	u64 setting = this_cpu_read(co_async_fault_setting);

	if (setting & KVM_ASYNC_PF_ENABLED)
		wrmsrl_safe(MSR_KVM_ASYNC_PF_EN, setting);
}

static int co_async_faults_cpu_online(unsigned int cpu)
{
	co_save_here(NULL);
	co_disable_here(NULL);
	return 0;
}

static int co_async_faults_state; /* of the kernel's CPU hotplug */

int co_async_faults_stop(void)
{
	int state;

	if (!co_has_async_faults())
		return 0;
	cpus_read_lock();
	state = cpuhp_setup_state_nocalls_cpuslocked(CPUHP_AP_ONLINE_DYN, "colinux/async-faults:online",
						     co_async_faults_cpu_online, NULL);
	if (state < 0) {
		cpus_read_unlock();
		return state;
	}
	co_async_faults_state = state;
	on_each_cpu(co_save_here, NULL, 1);
	on_each_cpu(co_disable_here, NULL, 1);
	on_each_cpu(co_enable_here, NULL, 1);
	msleep(BROADCAST_MS);
	on_each_cpu(co_disable_here, NULL, 1);
	cpus_read_unlock();
	return 0;
}

void co_async_faults_resume(void)
{
	if (!co_has_async_faults())
		return;
	cpus_read_lock();
	cpuhp_remove_state_nocalls_cpuslocked(co_async_faults_state);
	on_each_cpu(co_enable_here, NULL, 1);
	cpus_read_unlock();
}
