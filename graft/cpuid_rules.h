/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest kernel is shown of its CPU: pure functions of what CPUID says here, for cpuid_filter.c and its tests
 * (tests/unit/graft). Hidden is everything whose use would touch state that the world switch does not carry or hardware that
 * is the host's (docs/world-switch.md lists the state); the topology is ours: one package, one thread per core, one core per
 * vCPU, APIC id = vCPU. Bit names: SDM volume 2, CPUID; APM volume 3, appendix E.
 */
#ifndef COLINUX_GRAFT_CPUID_RULES_H
#define COLINUX_GRAFT_CPUID_RULES_H

#include <colinux/register_policy.h>
#include <colinux/types.h>

struct co_cpuid_leaf {
	co_u32 eax, ebx, ecx, edx;
};

/* What the guest is, beside the CPU */
struct co_cpuid_guest {
	co_u32 vcpu, vcpus;
	co_u64 host_xcr0;
};

#define B(n) (1u << (n))

#define HIGHEST_BASIC 0xd
#define HIGHEST_EXTENDED 0x80000021

/* Leaf 1. ECX: DTES64 MONITOR VMX SMX EST TM2 SDBG xTPR PDCM PCID DCA x2APIC TSC_DEADLINE */
#define LEAF1_ECX_HIDDEN (B(2) | B(3) | B(5) | B(6) | B(7) | B(8) | B(11) | B(14) | B(15) | B(17) | B(18) | B(21) | B(24))
#define LEAF1_ECX_HYPERVISOR B(31)
/* EDX: MCE APIC MTRR MCA PSN DS ACPI TM PBE */
#define LEAF1_EDX_HIDDEN (B(7) | B(9) | B(12) | B(14) | B(18) | B(21) | B(22) | B(29) | B(31))
#define LEAF1_EDX_HTT B(28)

/* Leaf 7. EBX: TSC_ADJUST SGX INVPCID RDT_M MPX RDT_A PT */
#define LEAF7_EBX_HIDDEN (B(1) | B(2) | B(10) | B(12) | B(14) | B(15) | B(25))
/* ECX: WAITPKG SHSTK TME KL BUS_LOCK ENQCMD SGX_LC PKS */
#define LEAF7_ECX_HIDDEN (B(5) | B(7) | B(13) | B(23) | B(24) | B(29) | B(30) | B(31))
/* EDX: UINTR SRBDS_CTRL TSX_FORCE_ABORT HYBRID PCONFIG ARCH_LBR IBT AMX_BF16 AMX_TILE AMX_INT8 CORE_CAPABILITIES */
#define LEAF7_EDX_HIDDEN (B(5) | B(9) | B(13) | B(15) | B(18) | B(19) | B(20) | B(22) | B(24) | B(25) | B(30))
/* Subleaf 1, shown: AVX_VNNI AVX512_BF16 CMPCCXADD FZRM FSRS FSRC AVX_IFMA; AVX_VNNI_INT8 AVX_NE_CONVERT */
#define LEAF7_1_EAX_SHOWN (B(4) | B(5) | B(7) | B(10) | B(11) | B(12) | B(23))
#define LEAF7_1_EDX_SHOWN (B(4) | B(5))
/* Subleaf 2, shown: PSFD IPRED_CTRL RRSBA_CTRL DDPD_U BHI_CTRL, all in SPEC_CTRL; MCDT_NO MONITOR_MITG_NO */
#define LEAF7_2_EDX_SHOWN (B(0) | B(1) | B(2) | B(3) | B(4) | B(5) | B(7))
/* 0xd, subleaf 1, shown: XSAVEOPT XSAVEC XGETBV1 XSAVES; not XFD, not the supervisor components */
#define XSAVE_EAX_SHOWN (B(0) | B(1) | B(2) | B(3))

/* 0x80000001. ECX: SVM ExtApic IBS OSVW SKINIT WDT LWP NodeId TopoExt PerfCore PerfNB DBE PTSC PerfL3 MWAITX */
#define EXT1_ECX_HIDDEN (B(2) | B(3) | B(9) | B(10) | B(12) | B(13) | B(15) | B(19) | B(22) | B(23) | B(24) | B(26) | B(27) | B(28) | B(29))
#define EXT1_ECX_CMP_LEGACY B(1)
#define EXT1_EDX_HIDDEN (B(7) | B(9) | B(12) | B(14)) /* MCE APIC MTRR MCA */
#define EXT7_EDX_SHOWN B(8) /* invariant TSC */
/* 0x80000008. EBX: IRPERF INVLPGB RDPRU MCOMMIT, INVLPGB's nested pages, PPIN VIRT_SSBD CPPC */
#define EXT8_EBX_HIDDEN (B(1) | B(3) | B(4) | B(8) | B(21) | B(23) | B(25) | B(27))
/* 0x80000021, shown: LFENCE_RDTSC VERW_CLEAR NULL_SEL_CLR SBPB IBPB_BRTYPE SRSO_NO */
#define EXT21_EAX_SHOWN (B(2) | B(5) | B(6) | B(27) | B(28) | B(29))

static inline co_u32 co_core_bits(const struct co_cpuid_guest *guest)
{
	co_u32 bits = 0;

	while (1u << bits < guest->vcpus)
		bits++;
	return bits;
}

static inline void co_hide_leaf(struct co_cpuid_leaf *leaf)
{
	leaf->eax = leaf->ebx = leaf->ecx = leaf->edx = 0;
}

static inline void co_show_at_most(co_u32 *shown, co_u32 limit)
{
	if (*shown > limit)
		*shown = limit;
}

static inline void co_show_feature_leaf(struct co_cpuid_leaf *leaf, const struct co_cpuid_guest *guest)
{
	leaf->ebx = (leaf->ebx & 0xffff) | 1u << co_core_bits(guest) << 16 | guest->vcpu << 24;
	leaf->ecx = (leaf->ecx & ~LEAF1_ECX_HIDDEN) | LEAF1_ECX_HYPERVISOR;
	leaf->edx &= ~(LEAF1_EDX_HIDDEN | LEAF1_EDX_HTT);
	if (guest->vcpus > 1)
		leaf->edx |= LEAF1_EDX_HTT;
}

static inline void co_show_extended_feature_leaf(struct co_cpuid_leaf *leaf, co_u32 subleaf)
{
	switch (subleaf) {
	case 0:
		co_show_at_most(&leaf->eax, 2);
		leaf->ebx &= ~LEAF7_EBX_HIDDEN;
		leaf->ecx &= ~LEAF7_ECX_HIDDEN;
		leaf->edx &= ~LEAF7_EDX_HIDDEN;
		break;
	case 1:
		leaf->eax &= LEAF7_1_EAX_SHOWN;
		leaf->ebx = leaf->ecx = 0;
		leaf->edx &= LEAF7_1_EDX_SHOWN;
		break;
	case 2:
		leaf->eax = leaf->ebx = leaf->ecx = 0;
		leaf->edx &= LEAF7_2_EDX_SHOWN;
		break;
	default:
		co_hide_leaf(leaf);
	}
}

/* Leaf 4: caches up to level 2 are a core's own, the last level is shared by all */
static inline void co_show_cache_leaf(struct co_cpuid_leaf *leaf, const struct co_cpuid_guest *guest)
{
	co_u32 cores = 1u << co_core_bits(guest), level = leaf->eax >> 5 & 7;

	if (!(leaf->eax & 0x1f))
		return;
	leaf->eax &= 0x3fff;
	leaf->eax |= (cores - 1) << 26;
	if (level > 2)
		leaf->eax |= (cores - 1) << 14;
}

static inline void co_show_topology_leaf(struct co_cpuid_leaf *leaf, co_u32 subleaf, const struct co_cpuid_guest *guest)
{
	enum { THREADS = 1, CORES = 2 };

	co_hide_leaf(leaf);
	leaf->ecx = subleaf;
	leaf->edx = guest->vcpu;
	if (subleaf == 0) {
		leaf->ebx = 1;
		leaf->ecx |= THREADS << 8;
	} else if (subleaf == 1) {
		leaf->eax = co_core_bits(guest);
		leaf->ebx = guest->vcpus;
		leaf->ecx |= CORES << 8;
	}
}

static inline void co_show_xsave_leaf(struct co_cpuid_leaf *leaf, co_u32 subleaf, const struct co_cpuid_guest *guest)
{
	co_u64 shown = guest->host_xcr0 & CO_XCR0_SHOWN;

	if (subleaf == 0) {
		leaf->eax &= (co_u32)shown;
		leaf->edx &= (co_u32)(shown >> 32);
	} else if (subleaf == 1) {
		leaf->eax &= XSAVE_EAX_SHOWN;
		leaf->ecx = leaf->edx = 0;
	} else if (subleaf > 63 || !(shown >> subleaf & 1)) {
		co_hide_leaf(leaf);
	}
}

/* `leaf` has what CPUID says for `number` and `subleaf`; turned into what the guest is shown. */
static inline void co_show_cpuid(struct co_cpuid_leaf *leaf, co_u32 number, co_u32 subleaf, const struct co_cpuid_guest *guest)
{
	switch (number) {
	case 0x0:
		co_show_at_most(&leaf->eax, HIGHEST_BASIC);
		break;
	case 0x1:
		co_show_feature_leaf(leaf, guest);
		break;
	case 0x2:
	case 0x3:
		break;
	case 0x4:
		co_show_cache_leaf(leaf, guest);
		break;
	case 0x7:
		co_show_extended_feature_leaf(leaf, subleaf);
		break;
	case 0xb:
		co_show_topology_leaf(leaf, subleaf, guest);
		break;
	case 0xd:
		co_show_xsave_leaf(leaf, subleaf, guest);
		break;
	case 0x80000000:
		co_show_at_most(&leaf->eax, HIGHEST_EXTENDED);
		break;
	case 0x80000001:
		leaf->ecx &= ~(EXT1_ECX_HIDDEN | EXT1_ECX_CMP_LEGACY);
		leaf->edx &= ~EXT1_EDX_HIDDEN;
		break;
	case 0x80000002: /* brand string, caches */
	case 0x80000003:
	case 0x80000004:
	case 0x80000005:
	case 0x80000006:
		break;
	case 0x80000007:
		leaf->eax = leaf->ebx = leaf->ecx = 0;
		leaf->edx &= EXT7_EDX_SHOWN;
		break;
	case 0x80000008:
		leaf->ebx &= ~EXT8_EBX_HIDDEN;
		leaf->ecx = co_core_bits(guest) << 12 | (guest->vcpus - 1);
		break;
	case 0x80000021:
		leaf->eax &= EXT21_EAX_SHOWN;
		leaf->ebx = leaf->edx = 0;
		break;
	default: /* MWAIT, thermal, perfmon, hypervisors, SVM, SEV and all that is not named above */
		co_hide_leaf(leaf);
	}
}

#undef B
#endif
