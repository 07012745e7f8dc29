// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest kernel learns about its CPU (pv_ops.cpu.cpuid): what cpuid_rules.h says. User programs execute CPUID
 * themselves and see the host's; what they may do with it is bounded by CR4 and XCR0, which are the guest kernel's.
 */
#include <linux/smp.h>

#include "cpuid_rules.h"
#include "graft.h"

void co_cpuid(unsigned int *eax, unsigned int *ebx, unsigned int *ecx, unsigned int *edx)
{
	struct co_cpuid_guest guest = {
		.vcpu = raw_smp_processor_id(), .vcpus = co_boot_info.vcpus, .host_xcr0 = co_boot_info.host_xcr0,
	};
	u32 number = *eax, subleaf = *ecx;
	struct co_cpuid_leaf leaf;

	asm volatile("cpuid" : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx) : "a"(number), "c"(subleaf));
	co_show_cpuid(&leaf, number, subleaf, &guest);
	*eax = leaf.eax;
	*ebx = leaf.ebx;
	*ecx = leaf.ecx;
	*edx = leaf.edx;
}
