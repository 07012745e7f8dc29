// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest kernel learns about its CPU (pv_ops.cpu.cpuid). Hidden is everything whose use would touch
 * state that the world switch does not carry or hardware that is the host's; the topology is ours: one package,
 * one thread per core, one core per vCPU, APIC id = vCPU. User programs execute CPUID themselves and see the
 * host's; what they may do with it is bounded by CR4 and XCR0, which are the guest kernel's.
 * Bit names: SDM volume 2, CPUID; APM volume 3, appendix E.
 */
#include <linux/log2.h>
#include <linux/smp.h>

#include "graft.h"

struct leaf {
	u32 eax, ebx, ecx, edx;
};

#define HIGHEST_BASIC 0xd
#define HIGHEST_EXTENDED 0x80000021
#define XSAVE_HIDDEN (BIT_ULL(3) | BIT_ULL(4) | BIT_ULL(17) | BIT_ULL(18)) /* MPX, AMX */

/* Leaf 1. ECX: DTES64 MONITOR VMX SMX EST TM2 SDBG xTPR PDCM PCID DCA x2APIC TSC_DEADLINE */
#define LEAF1_ECX_HIDDEN (BIT(2) | BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(14) | BIT(15) | \
			  BIT(17) | BIT(18) | BIT(21) | BIT(24))
#define LEAF1_ECX_HYPERVISOR BIT(31)
/* EDX: MCE APIC MTRR MCA PSN DS ACPI TM PBE */
#define LEAF1_EDX_HIDDEN (BIT(7) | BIT(9) | BIT(12) | BIT(14) | BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31))
#define LEAF1_EDX_HTT BIT(28)

/* Leaf 7. EBX: TSC_ADJUST SGX INVPCID RDT_M MPX RDT_A PT */
#define LEAF7_EBX_HIDDEN (BIT(1) | BIT(2) | BIT(10) | BIT(12) | BIT(14) | BIT(15) | BIT(25))
/* ECX: WAITPKG SHSTK TME KL BUS_LOCK ENQCMD SGX_LC PKS */
#define LEAF7_ECX_HIDDEN (BIT(5) | BIT(7) | BIT(13) | BIT(23) | BIT(24) | BIT(29) | BIT(30) | BIT(31))
/* EDX: UINTR SRBDS_CTRL TSX_FORCE_ABORT HYBRID PCONFIG ARCH_LBR IBT AMX_BF16 AMX_TILE AMX_INT8 CORE_CAPABILITIES */
#define LEAF7_EDX_HIDDEN (BIT(5) | BIT(9) | BIT(13) | BIT(15) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | \
			  BIT(25) | BIT(30))
/* Subleaf 1, shown: AVX_VNNI AVX512_BF16 CMPCCXADD FZRM FSRS FSRC AVX_IFMA; AVX_VNNI_INT8 AVX_NE_CONVERT */
#define LEAF7_1_EAX_SHOWN (BIT(4) | BIT(5) | BIT(7) | BIT(10) | BIT(11) | BIT(12) | BIT(23))
#define LEAF7_1_EDX_SHOWN (BIT(4) | BIT(5))

/* 0x80000001. ECX: SVM ExtApic IBS OSVW SKINIT WDT LWP NodeId TopoExt PerfCore PerfNB DBE PTSC PerfL3 MWAITX */
#define EXT1_ECX_HIDDEN (BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(22) | \
			 BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29))
#define EXT1_ECX_CMP_LEGACY BIT(1)
#define EXT1_EDX_HIDDEN (BIT(7) | BIT(9) | BIT(12) | BIT(14)) /* MCE APIC MTRR MCA */
#define EXT7_EDX_SHOWN BIT(8)                                 /* invariant TSC */
#define EXT8_EBX_HIDDEN (BIT(1) | BIT(4) | BIT(25) | BIT(27)) /* IRPERF RDPRU VIRT_SSBD CPPC */
/* 0x80000021, shown: LFENCE_RDTSC VERW_CLEAR NULL_SEL_CLR SBPB IBPB_BRTYPE SRSO_NO */
#define EXT21_EAX_SHOWN (BIT(2) | BIT(5) | BIT(6) | BIT(27) | BIT(28) | BIT(29))

static u32 core_bits(void)
{
	return order_base_2(co_boot_info.vcpus);
}

static void show_feature_leaf(struct leaf *leaf)
{
	u32 cores = 1u << core_bits();

	leaf->ebx = (leaf->ebx & 0xffff) | cores << 16 | (u32)raw_smp_processor_id() << 24;
	leaf->ecx = (leaf->ecx & ~LEAF1_ECX_HIDDEN) | LEAF1_ECX_HYPERVISOR;
	leaf->edx &= ~(LEAF1_EDX_HIDDEN | LEAF1_EDX_HTT);
	if (co_boot_info.vcpus > 1)
		leaf->edx |= LEAF1_EDX_HTT;
}

static void show_extended_feature_leaf(struct leaf *leaf, u32 subleaf)
{
	switch (subleaf) {
	case 0:
		leaf->eax = min(leaf->eax, 2u);
		leaf->ebx &= ~LEAF7_EBX_HIDDEN;
		leaf->ecx &= ~LEAF7_ECX_HIDDEN;
		leaf->edx &= ~LEAF7_EDX_HIDDEN;
		break;
	case 1:
		*leaf = (struct leaf){ leaf->eax & LEAF7_1_EAX_SHOWN, 0, 0, leaf->edx & LEAF7_1_EDX_SHOWN };
		break;
	case 2: /* controls of SPEC_CTRL only */
		break;
	default:
		*leaf = (struct leaf){ 0 };
	}
}

/* Leaf 4: caches up to level 2 are a core's own, the last level is shared by all */
static void show_cache_leaf(struct leaf *leaf)
{
	u32 cores = 1u << core_bits(), level = leaf->eax >> 5 & 7;

	if (!(leaf->eax & 0x1f))
		return;
	leaf->eax &= 0x3fff;
	leaf->eax |= (cores - 1) << 26;
	if (level > 2)
		leaf->eax |= (cores - 1) << 14;
}

static void show_topology_leaf(struct leaf *leaf, u32 subleaf)
{
	enum { THREADS = 1, CORES = 2 };

	*leaf = (struct leaf){ .ecx = subleaf, .edx = raw_smp_processor_id() };
	if (subleaf == 0) {
		leaf->ebx = 1;
		leaf->ecx |= THREADS << 8;
	} else if (subleaf == 1) {
		leaf->eax = core_bits();
		leaf->ebx = co_boot_info.vcpus;
		leaf->ecx |= CORES << 8;
	}
}

static void show_xsave_leaf(struct leaf *leaf, u32 subleaf)
{
	u64 shown = co_boot_info.host_xcr0 & ~XSAVE_HIDDEN;

	if (subleaf == 0) {
		leaf->eax &= (u32)shown;
		leaf->edx &= (u32)(shown >> 32);
	} else if (subleaf == 1) { /* XSAVEOPT XSAVEC XGETBV1 XSAVES, no supervisor components, no XFD */
		leaf->eax &= 0xf;
		leaf->ecx = leaf->edx = 0;
	} else if (subleaf > 63 || !(shown >> subleaf & 1)) {
		*leaf = (struct leaf){ 0 };
	}
}

static void filter(struct leaf *leaf, u32 number, u32 subleaf)
{
	switch (number) {
	case 0x0:
		leaf->eax = min_t(u32, leaf->eax, HIGHEST_BASIC);
		break;
	case 0x1:
		show_feature_leaf(leaf);
		break;
	case 0x2:
	case 0x3:
		break;
	case 0x4:
		show_cache_leaf(leaf);
		break;
	case 0x7:
		show_extended_feature_leaf(leaf, subleaf);
		break;
	case 0xb:
		show_topology_leaf(leaf, subleaf);
		break;
	case 0xd:
		show_xsave_leaf(leaf, subleaf);
		break;
	case 0x80000000:
		leaf->eax = min_t(u32, leaf->eax, HIGHEST_EXTENDED);
		break;
	case 0x80000001:
		leaf->ecx &= ~(EXT1_ECX_HIDDEN | EXT1_ECX_CMP_LEGACY);
		leaf->edx &= ~EXT1_EDX_HIDDEN;
		break;
	case 0x80000002 ... 0x80000006: /* brand string, caches */
		break;
	case 0x80000007:
		*leaf = (struct leaf){ .edx = leaf->edx & EXT7_EDX_SHOWN };
		break;
	case 0x80000008:
		leaf->ebx &= ~EXT8_EBX_HIDDEN;
		leaf->ecx = core_bits() << 12 | (co_boot_info.vcpus - 1);
		break;
	case 0x80000021:
		*leaf = (struct leaf){ .eax = leaf->eax & EXT21_EAX_SHOWN, .ecx = leaf->ecx };
		break;
	default: /* MWAIT, thermal, perfmon, hypervisors, SVM, SEV and all that is not named above */
		*leaf = (struct leaf){ 0 };
	}
}

void co_cpuid(unsigned int *eax, unsigned int *ebx, unsigned int *ecx, unsigned int *edx)
{
	u32 number = *eax, subleaf = *ecx;
	struct leaf leaf;

	asm volatile("cpuid" : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx) : "a"(number), "c"(subleaf));
	filter(&leaf, number, subleaf);
	*eax = leaf.eax;
	*ebx = leaf.ebx;
	*ecx = leaf.ecx;
	*edx = leaf.edx;
}
