/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one table of the model-specific and control registers that a guest kernel may touch: what a read gives, what becomes
 * of a write, and why. The graft (register_filter.c) does what it says for every access that goes through pv_ops, modules'
 * too; the daemon names its rows in `colinux stats`; tests/unit/graft checks it. Names are those of the SDM (volume 4;
 * volume 3, 2.5), or of AMD's APM (volume 2, appendix A) where only AMD has the register.
 *
 * The rule behind it: a register that the world switch carries, or that acts at once and is over (PRED_CMD), is the guest's.
 * Every other one is the host's; the guest sees what the CPU would show that had not the feature behind it (CPUID hides
 * that: graft/cpuid_rules.h). What does not come here: writes by the kernel's entry code (GS bases, SPEC_CTRL), XSETBV, and
 * MOV to CR4 for a flush of the TLB. They need nothing of this table to be harmless: see each row.
 */
#ifndef COLINUX_REGISTER_POLICY_H
#define COLINUX_REGISTER_POLICY_H

#include <colinux/passage.h>
#include <colinux/types.h>

#define CO_REGISTER_POLICY_VERSION 1 /* +1 whenever rows come, go or move */

#ifndef __ASSEMBLER__

enum co_read_rule {
	CO_READ_REAL,     /* what the CPU has, without the bits in `value` */
	CO_READ_CONSTANT, /* `value` */
	CO_READ_BOOT_CPU, /* `value` on vCPU 0, 0 on the others */
	CO_READ_FAULT,    /* #GP: as on a CPU without the register */
};

enum co_write_rule {
	CO_WRITE_PASS,  /* goes to the CPU */
	CO_WRITE_CARRY, /* likewise, and to co_passage.msr[slot], from where the driver takes it */
	CO_WRITE_KEEP,  /* what differs from the present content is filtered; nothing is written */
	CO_WRITE_DROP,  /* filtered; the guest believes that it was written */
	CO_WRITE_FAULT, /* filtered: #GP, as on a CPU without the register */
};

struct co_msr_rule {
	co_u32 first, last; /* MSR numbers */
	enum co_read_rule read;
	enum co_write_rule write;
	co_u32 slot;  /* CO_WRITE_CARRY: CO_MSR_* */
	co_u64 value; /* see co_read_rule */
	const char *name, *why;
};

/* TSX_CTRL, MISC_PACKAGE_CTLS, FB_CLEAR_CTRL, XAPIC_DISABLE_STATUS, GDS_CTRL announce MSRs that are the host's */
#define CO_ARCH_CAPABILITIES_HIDDEN (1ull << 7 | 1ull << 10 | 1ull << 18 | 1ull << 21 | 1ull << 25)
#define CO_APIC_BASE_BSP (1ull << 8)
#define CO_MISC_ENABLE_FAST_STRINGS 1ull

#define CO_CARRIED(slot) CO_READ_REAL, CO_WRITE_CARRY, slot, 0
#define CO_NATIVE CO_READ_REAL, CO_WRITE_PASS, 0, 0
#define CO_READ_ONLY CO_READ_REAL, CO_WRITE_DROP, 0, 0
#define CO_IGNORED CO_READ_FAULT, CO_WRITE_DROP, 0, 0
#define CO_ABSENT CO_READ_FAULT, CO_WRITE_FAULT, 0, 0

/* Ascending, without overlap. What is not listed is CO_ABSENT and counted by itself. */
static const struct co_msr_rule co_msr_rules[] = {
	{ 0x0, 0x1, CO_ABSENT, "IA32_P5_MC_ADDR/TYPE", "machine checks are the host's" },
	{ 0x10, 0x10, CO_READ_ONLY, "IA32_TIME_STAMP_COUNTER", "the clock of all worlds" },
	{ 0x17, 0x17, CO_ABSENT, "IA32_PLATFORM_ID", "only microcode loading asks" },
	{ 0x1b, 0x1b, CO_READ_BOOT_CPU, CO_WRITE_DROP, 0, CO_APIC_BASE_BSP, "IA32_APIC_BASE",
	  "the local APIC is the host's; without the BSP bit a kernel on CPU 0 takes itself for a crash kernel" },
	{ 0x33, 0x33, CO_ABSENT, "MSR_TEST_CTRL", "the host's split lock detection stays in force" },
	{ 0x3a, 0x3a, CO_ABSENT, "IA32_FEATURE_CONTROL", "VMX and SGX are the host's" },
	{ 0x3b, 0x3b, CO_ABSENT, "IA32_TSC_ADJUST", "moves the clock of all worlds" },
	{ 0x48, 0x48, CO_NATIVE, "IA32_SPEC_CTRL", "read and exchanged at each crossing" },
	{ 0x49, 0x49, CO_READ_FAULT, CO_WRITE_PASS, 0, 0, "IA32_PRED_CMD", "a command; it leaves no state" },
	{ 0x79, 0x79, CO_IGNORED, "IA32_BIOS_UPDT_TRIG", "microcode is the host's" },
	{ 0x8b, 0x8b, CO_READ_ONLY, "IA32_BIOS_SIGN_ID", "kernels write 0 before they read the microcode's revision" },
	{ 0xc1, 0xc8, CO_ABSENT, "IA32_PMC", "performance counters are the host's" },
	{ 0xcf, 0xcf, CO_ABSENT, "IA32_CORE_CAPABILITIES", "announces MSR_TEST_CTRL" },
	{ 0xe1, 0xe1, CO_ABSENT, "IA32_UMWAIT_CONTROL", "how long TPAUSE may wait, the host says" },
	{ 0xe7, 0xe8, CO_ABSENT, "IA32_MPERF/APERF", "frequency is the host's" },
	{ 0xfe, 0xfe, CO_ABSENT, "IA32_MTRRCAP", "MTRRs are the host's" },
	{ 0x10a, 0x10a, CO_READ_REAL, CO_WRITE_DROP, 0, CO_ARCH_CAPABILITIES_HIDDEN, "IA32_ARCH_CAPABILITIES",
	  "tells which mitigations the CPU needs" },
	{ 0x10b, 0x10b, CO_READ_FAULT, CO_WRITE_PASS, 0, 0, "IA32_FLUSH_CMD", "a command; it leaves no state" },
	{ 0x122, 0x122, CO_ABSENT, "IA32_TSX_CTRL", "the host's setting stays in force" },
	{ 0x123, 0x123, CO_ABSENT, "IA32_MCU_OPT_CTRL", "the host's setting stays in force" },
	{ 0x140, 0x140, CO_ABSENT, "MSR_MISC_FEATURES_ENABLES", "would make CPUID fault in the host's programs" },
	{ 0x174, 0x174, CO_CARRIED(CO_MSR_SYSENTER_CS), "IA32_SYSENTER_CS", "system call entry" },
	{ 0x175, 0x175, CO_CARRIED(CO_MSR_SYSENTER_ESP), "IA32_SYSENTER_ESP", "system call entry" },
	{ 0x176, 0x176, CO_CARRIED(CO_MSR_SYSENTER_EIP), "IA32_SYSENTER_EIP", "system call entry" },
	{ 0x179, 0x17b, CO_ABSENT, "IA32_MCG_CAP/STATUS/CTL", "machine checks are the host's" },
	{ 0x186, 0x18d, CO_ABSENT, "IA32_PERFEVTSEL", "performance counters are the host's" },
	{ 0x198, 0x199, CO_ABSENT, "IA32_PERF_STATUS/CTL", "frequency is the host's" },
	{ 0x19a, 0x19d, CO_ABSENT, "IA32_CLOCK_MODULATION, IA32_THERM_*", "heat is the host's" },
	{ 0x1a0, 0x1a0, CO_READ_CONSTANT, CO_WRITE_DROP, 0, CO_MISC_ENABLE_FAST_STRINGS, "IA32_MISC_ENABLE",
	  "turns features of the whole core on and off; fast strings are on" },
	{ 0x1a4, 0x1a4, CO_ABSENT, "MSR_MISC_FEATURE_CONTROL", "prefetchers are the host's" },
	{ 0x1b0, 0x1b2, CO_ABSENT, "IA32_ENERGY_PERF_BIAS, IA32_PACKAGE_THERM_*", "heat and frequency are the host's" },
	{ 0x1c4, 0x1c5, CO_ABSENT, "IA32_XFD, IA32_XFD_ERR", "AMX is hidden; the host's FPU code writes them" },
	{ 0x1cc, 0x1d4, CO_ABSENT, "IA32_FRED_*", "FRED is hidden" },
	{ 0x1d9, 0x1d9, CO_READ_CONSTANT, CO_WRITE_DROP, 0, 0, "IA32_DEBUGCTL",
	  "BTS would write the guest's records to the host's addresses; branch stepping is lost" },
	{ 0x200, 0x23f, CO_ABSENT, "IA32_MTRR_PHYS*", "memory types of all worlds" },
	{ 0x250, 0x26f, CO_ABSENT, "IA32_MTRR_FIX*", "memory types of all worlds" },
	{ 0x277, 0x277, CO_CARRIED(CO_MSR_PAT), "IA32_PAT", "memory types in page tables" },
	{ 0x280, 0x29f, CO_ABSENT, "IA32_MC*_CTL2", "machine checks are the host's" },
	{ 0x2ff, 0x2ff, CO_ABSENT, "IA32_MTRR_DEF_TYPE", "memory types of all worlds" },
	{ 0x309, 0x30c, CO_ABSENT, "IA32_FIXED_CTR*", "performance counters are the host's" },
	{ 0x345, 0x345, CO_ABSENT, "IA32_PERF_CAPABILITIES", "performance counters are the host's" },
	{ 0x38d, 0x392, CO_ABSENT, "IA32_FIXED_CTR_CTRL, IA32_PERF_GLOBAL_*", "performance counters are the host's" },
	{ 0x3f1, 0x3f2, CO_ABSENT, "IA32_PEBS_ENABLE, MSR_PEBS_DATA_CFG", "PEBS writes to linear addresses of the host" },
	{ 0x400, 0x47f, CO_ABSENT, "IA32_MC*_CTL/STATUS/ADDR/MISC", "machine checks are the host's" },
	{ 0x480, 0x493, CO_ABSENT, "IA32_VMX_*", "VMX is hidden" },
	{ 0x4c1, 0x4c8, CO_ABSENT, "IA32_A_PMC", "performance counters are the host's" },
	{ 0x560, 0x587, CO_ABSENT, "IA32_RTIT_*", "Processor Trace is the host's" },
	{ 0x600, 0x600, CO_ABSENT, "IA32_DS_AREA", "a linear address of the host" },
	{ 0x606, 0x606, CO_ABSENT, "MSR_RAPL_POWER_UNIT", "power is the host's" },
	{ 0x6a0, 0x6a2, CO_ABSENT, "IA32_U_CET, IA32_S_CET", "CET is hidden; CR4.CET is 0 in the guest" },
	{ 0x6a4, 0x6a8, CO_ABSENT, "IA32_PL*_SSP, IA32_INTERRUPT_SSP_TABLE_ADDR", "CET is hidden; CR4.CET is 0 in the guest" },
	{ 0x6e0, 0x6e0, CO_ABSENT, "IA32_TSC_DEADLINE", "the APIC's timer is the host's" },
	{ 0x6e1, 0x6e1, CO_ABSENT, "IA32_PKRS", "PKS is hidden; CR4.PKS is 0 in the guest" },
	{ 0x770, 0x777, CO_ABSENT, "IA32_PM_ENABLE, IA32_HWP_*", "frequency is the host's" },
	{ 0x800, 0x8ff, CO_ABSENT, "IA32_X2APIC_*", "the local APIC is the host's" },
	{ 0x981, 0x984, CO_ABSENT, "IA32_TME_*", "memory encryption of all worlds" },
	{ 0x985, 0x98a, CO_ABSENT, "IA32_UINTR_*", "user interrupts are hidden; CR4.UINTR is 0 in the guest" },
	{ 0x990, 0x991, CO_ABSENT, "IA32_COPY_STATUS, IA32_IWKEYBACKUP_STATUS", "Key Locker is hidden; CR4.KL is 0 in the guest" },
	{ 0xc80, 0xc8f, CO_ABSENT, "IA32_QM_*, IA32_PQR_ASSOC", "cache and bandwidth shares are the host's" },
	{ 0xc90, 0xd8f, CO_ABSENT, "IA32_L*_MASK_*, IA32_L2_QOS_EXT_*", "cache and bandwidth shares are the host's" },
	{ 0xd90, 0xd90, CO_ABSENT, "IA32_BNDCFGS", "MPX is hidden" },
	{ 0xd93, 0xd93, CO_ABSENT, "IA32_PASID", "ENQCMD is hidden" },
	{ 0xda0, 0xda0, CO_CARRIED(CO_MSR_XSS), "IA32_XSS", "what XSAVES saves; CPUID shows no supervisor state" },
	{ 0x1200, 0x121f, CO_ABSENT, "IA32_LBR_*_INFO", "branch records are the host's" },
	{ 0x14ce, 0x14cf, CO_ABSENT, "IA32_LBR_CTL, IA32_LBR_DEPTH", "branch records are the host's" },
	{ 0x1500, 0x151f, CO_ABSENT, "IA32_LBR_*_FROM_IP", "branch records are the host's" },
	{ 0x1600, 0x161f, CO_ABSENT, "IA32_LBR_*_TO_IP", "branch records are the host's" },
	{ 0x17d0, 0x17da, CO_ABSENT, "IA32_HW_FEEDBACK_*, IA32_HRESET_ENABLE", "the host's scheduler's" },
	{ 0x40000000, 0x400001ff, CO_ABSENT, "HV_X64_MSR_*", "the host's hypervisor is the host's" },
	{ 0x4b564d00, 0x4b564dff, CO_ABSENT, "MSR_KVM_*", "the host's hypervisor is the host's" },
	{ 0xc0000080, 0xc0000080, CO_READ_REAL, CO_WRITE_KEEP, 0, 0, "IA32_EFER",
	  "not exchanged: SCE, LME, LMA and NXE are on in both worlds, SVME is the host's" },
	{ 0xc0000081, 0xc0000081, CO_CARRIED(CO_MSR_STAR), "IA32_STAR", "system call entry" },
	{ 0xc0000082, 0xc0000082, CO_CARRIED(CO_MSR_LSTAR), "IA32_LSTAR", "system call entry" },
	{ 0xc0000083, 0xc0000083, CO_CARRIED(CO_MSR_CSTAR), "IA32_CSTAR", "system call entry" },
	{ 0xc0000084, 0xc0000084, CO_CARRIED(CO_MSR_SFMASK), "IA32_FMASK", "system call entry" },
	{ 0xc0000100, 0xc0000100, CO_NATIVE, "IA32_FS_BASE", "exchanged by the switch" },
	{ 0xc0000101, 0xc0000101, CO_NATIVE, "IA32_GS_BASE", "exchanged by the switch" },
	{ 0xc0000102, 0xc0000102, CO_NATIVE, "IA32_KERNEL_GS_BASE", "exchanged by the switch" },
	{ 0xc0000103, 0xc0000103, CO_CARRIED(CO_MSR_TSC_AUX), "IA32_TSC_AUX", "what RDTSCP and RDPID give" },
	{ 0xc0000104, 0xc0000104, CO_ABSENT, "TSC_RATIO", "SVM is hidden" },
	{ 0xc000010e, 0xc000010f, CO_ABSENT, "LBR_SELECT, DBG_EXTN_CFG", "branch records are the host's" },
	{ 0xc0000300, 0xc0000303, CO_ABSENT, "PerfCntrGlobal*", "performance counters are the host's" },
	{ 0xc0002000, 0xc0002fff, CO_ABSENT, "MCA_*", "machine checks are the host's" },
	{ 0xc0010000, 0xc0010007, CO_ABSENT, "PerfEvtSel*, PerfCtr*", "performance counters are the host's" },
	{ 0xc0010010, 0xc0010010, CO_ABSENT, "SYSCFG", "memory types and memory encryption of all worlds" },
	{ 0xc0010015, 0xc0010015, CO_ABSENT, "HWCR", "features of the whole core" },
	{ 0xc0010016, 0xc001001d, CO_ABSENT, "IORR*, TOP_MEM*", "memory types of all worlds" },
	{ 0xc001001f, 0xc001001f, CO_ABSENT, "NB_CFG", "northbridge of all worlds" },
	{ 0xc0010020, 0xc0010020, CO_IGNORED, "PATCH_LOADER", "microcode is the host's" },
	{ 0xc0010058, 0xc0010058, CO_ABSENT, "MMIO_CFG_BASE_ADDR", "PCI is the host's" },
	{ 0xc0010061, 0xc0010068, CO_ABSENT, "PStateCurLim, PStateCtl, PStateStat, PStateDef", "frequency is the host's" },
	{ 0xc0010111, 0xc0010113, CO_ABSENT, "SMBASE, SMM_ADDR, SMM_MASK", "system management mode is the firmware's" },
	{ 0xc0010114, 0xc0010117, CO_ABSENT, "VM_CR, IGNNE, SMM_CTL, VM_HSAVE_PA", "SVM is hidden" },
	{ 0xc001011f, 0xc001011f, CO_ABSENT, "VIRT_SPEC_CTRL", "the host's setting stays in force" },
	{ 0xc0010130, 0xc0010133, CO_ABSENT, "GHCB, SEV_STATUS, RMP_BASE, RMP_END", "SEV is hidden" },
	{ 0xc0010140, 0xc0010141, CO_ABSENT, "OSVW_ID_Length, OSVW_Status", "OSVW is hidden" },
	{ 0xc0010200, 0xc001020b, CO_ABSENT, "PERF_CTL*, PERF_CTR*", "performance counters are the host's" },
	{ 0xc00102b0, 0xc00102b4, CO_ABSENT, "CPPC_*", "frequency is the host's" },
	{ 0xc0011019, 0xc001101b, CO_ABSENT, "DR1_ADDR_MASK..DR3_ADDR_MASK", "breakpoint masks are hidden" },
	{ 0xc0011020, 0xc0011020, CO_ABSENT, "LS_CFG", "the host's setting stays in force" },
	{ 0xc0011027, 0xc0011027, CO_ABSENT, "DR0_ADDR_MASK", "breakpoint masks are hidden" },
	{ 0xc0011028, 0xc0011029, CO_ABSENT, "FP_CFG, DE_CFG", "the host's workarounds stay in force" },
	{ 0xc0011030, 0xc001103d, CO_ABSENT, "IBS_*", "instruction sampling is the host's" },
};
#define CO_MSR_RULES (sizeof(co_msr_rules) / sizeof(co_msr_rules[0]))

#define CO_REGISTER_CR0 0
#define CO_REGISTER_CR4 4
#define CO_REGISTER_XCR0 16 /* as hardware knows no such control register, a number of our own */

struct co_control_rule {
	co_u32 reg;  /* CO_REGISTER_* */
	enum co_write_rule write; /* CO_WRITE_PASS or CO_WRITE_KEEP */
	co_u64 bits;
	const char *name, *why;
};

/* XSAVE components that a guest may have: x87, SSE, AVX, AVX-512, PKRU; as far as the host has turned them on */
#define CO_XCR0_SHOWN 0x2e7ull

/* The rows of a register have all its 64 bits, each once. CR3 is the guest's; where it must lead is looked at before each
 * entry (core/entry_check.hpp). */
static const struct co_control_rule co_control_rules[] = {
	{ CO_REGISTER_CR0, CO_WRITE_KEEP, 1ull << 0, "CR0.PE", "no guest leaves protected mode" },
	{ CO_REGISTER_CR0, CO_WRITE_PASS, 0x1eull | 1ull << 16 | 1ull << 18, "CR0.MP EM TS ET WP AM", "exchanged by the switch" },
	{ CO_REGISTER_CR0, CO_WRITE_KEEP, 1ull << 5, "CR0.NE", "must be set while the host has VMX on" },
	{ CO_REGISTER_CR0, CO_WRITE_KEEP, 3ull << 29, "CR0.NW CD", "caches are off for both worlds, and stay so in the host's handlers" },
	{ CO_REGISTER_CR0, CO_WRITE_KEEP, 1ull << 31, "CR0.PG", "no guest leaves long mode" },
	{ CO_REGISTER_CR0, CO_WRITE_KEEP, 0xffffffff1ffaffc0ull, "CR0 reserved", "MOV to CR0 would fault or ignore it" },
	{ CO_REGISTER_CR4, CO_WRITE_PASS, 0x1full | 1ull << 7 | 3ull << 9 | 1ull << 11 | 1ull << 16 | 1ull << 18 | 7ull << 20,
	  "CR4.VME PVI TSD DE PSE PGE OSFXSR OSXMMEXCPT UMIP FSGSBASE OSXSAVE SMEP SMAP PKE", "exchanged by the switch" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 5, "CR4.PAE", "no guest leaves long mode" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 6, "CR4.MCE", "a machine check without it stops the machine; it is the host's" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 8, "CR4.PCE", "performance counters are the host's" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 12, "CR4.LA57", "cannot change in long mode" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 13, "CR4.VMXE", "clearing it while the host's VMX is on faults" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 14, "CR4.SMXE", "SMX is hidden" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 17, "CR4.PCIDE", "the switch tells the worlds' CR3 apart by it" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 19, "CR4.KL", "Key Locker is hidden: its key is not carried" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 23, "CR4.CET", "CET is hidden: S_CET and shadow stacks are not carried" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 24, "CR4.PKS", "PKS is hidden: PKRS is not carried" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 25, "CR4.UINTR", "user interrupts are hidden: their MSRs are not carried" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 27, "CR4.LASS", "LASS is hidden" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 28, "CR4.LAM_SUP", "LAM is hidden" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 1ull << 32, "CR4.FRED", "FRED is hidden: its MSRs are not carried" },
	{ CO_REGISTER_CR4, CO_WRITE_KEEP, 0xfffffffee4008000ull, "CR4 reserved", "nobody knows what it will be" },
	/* XSETBV is no operation of pv_ops: these rows are kept by what CPUID shows, and not counted */
	{ CO_REGISTER_XCR0, CO_WRITE_PASS, CO_XCR0_SHOWN, "XCR0.x87 SSE AVX opmask ZMM_Hi256 Hi16_ZMM PKRU", "exchanged at each crossing" },
	{ CO_REGISTER_XCR0, CO_WRITE_KEEP, ~CO_XCR0_SHOWN, "XCR0 others", "CPUID does not show them: MPX, AMX, APX, LWP" },
};
#define CO_CONTROL_RULES (sizeof(co_control_rules) / sizeof(co_control_rules[0]))

/* How often a write was filtered. In the graft's data, symbol co_filtered_writes; the daemon reads it there. */
struct co_filtered_writes {
	co_u32 version; /* CO_REGISTER_POLICY_VERSION */
	co_u32 last_unlisted; /* MSR number */
	co_u64 unlisted;      /* writes to MSRs that are in no row */
	co_u64 msr[CO_MSR_RULES];
	co_u64 control[CO_CONTROL_RULES];
};

/* The row of an MSR, or CO_MSR_RULES. */
static inline unsigned int co_find_msr_rule(co_u32 msr)
{
	unsigned int low = 0, high = CO_MSR_RULES;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (co_msr_rules[middle].last < msr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < CO_MSR_RULES && co_msr_rules[low].first <= msr ? low : CO_MSR_RULES;
}

/* Does this row filter such a write to `reg`? What is to be written then is *wanted with the row's bits as they are. */
static inline int co_control_rule_filters(const struct co_control_rule *rule, co_u32 reg, co_u64 present, co_u64 *wanted)
{
	if (rule->reg != reg || rule->write != CO_WRITE_KEEP || !((present ^ *wanted) & rule->bits))
		return 0;
	*wanted = (*wanted & ~rule->bits) | (present & rule->bits);
	return 1;
}

#endif /* !__ASSEMBLER__ */
#endif
