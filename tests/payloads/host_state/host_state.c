// SPDX-License-Identifier: GPL-2.0
/*
 * A test module, for the lab only: the ring 0 part of the host's half of the randomised-state test. Notes at load what
 * each CPU's control registers, descriptor tables and MSRs are and looks, every millisecond, whether they still are: in a
 * timer interrupt (which may have come while a guest ran; then the MSRs that act only on the way from and to user mode
 * may still be the guest's) and in a thread that takes the CPU from the vCPU. `failures` must stay 0. Where the CPU has
 * supervisor protection keys, which Linux does not use, this host does.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#define PERIOD (NSEC_PER_MSEC)
#define MSR_PL_PKRS 0x6e1
#define MSR_SUPERVISOR_CET 0x6a2
#define LEAF7_ECX_PKS BIT(31)
#define CR4_PKS BIT(24)
#define KEYS_BUT_0 GENMASK(31, 2) /* every page of the kernel has key 0 */
#define XCR_FEATURES 0
#define DR_ENABLED 0xff

static ulong checks, failures;
module_param(checks, ulong, 0444);
module_param(failures, ulong, 0444);

/* What must be the host's even in an interrupt handler, and what need not */
enum { CR0, CR4, GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT, TASK, XCR0, PAT, XSS, EFER, S_CET, PKRS, ALWAYS,
       STAR = ALWAYS, LSTAR, CSTAR, SFMASK, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, TSC_AUX, SPEC_CTRL, DEBUG_CONTROL, DR7, ALL };
static const char *const names[ALL] = { "CR0", "CR4", "GDT", "GDT limit", "IDT", "IDT limit", "TR", "XCR0", "PAT", "XSS", "EFER",
	"S_CET", "PKRS", "STAR", "LSTAR", "CSTAR", "SFMASK", "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "TSC_AUX",
	"SPEC_CTRL", "DEBUGCTL", "DR7" };
static const u32 msrs[ALL] = { [PAT] = MSR_IA32_CR_PAT, [XSS] = MSR_IA32_XSS, [EFER] = MSR_EFER, [S_CET] = MSR_SUPERVISOR_CET,
	[PKRS] = MSR_PL_PKRS, [STAR] = MSR_STAR, [LSTAR] = MSR_LSTAR, [CSTAR] = MSR_CSTAR, [SFMASK] = MSR_SYSCALL_MASK,
	[SYSENTER_CS] = MSR_IA32_SYSENTER_CS, [SYSENTER_ESP] = MSR_IA32_SYSENTER_ESP, [SYSENTER_EIP] = MSR_IA32_SYSENTER_EIP,
	[TSC_AUX] = MSR_TSC_AUX, [SPEC_CTRL] = MSR_IA32_SPEC_CTRL, [DEBUG_CONTROL] = MSR_IA32_DEBUGCTLMSR };

struct watcher {
	struct task_struct *thread;
	struct hrtimer timer;
	u64 noted[ALL];
	bool has_msr[ALL]; /* asked once: an MSR that is not there costs a fault */
};
static DEFINE_PER_CPU(struct watcher, watchers);
static atomic_long_t check_count, failure_count;

static void look(struct watcher *watcher, u64 *state)
{
	struct desc_ptr table;
	int i;

	state[CR0] = read_cr0() & ~X86_CR0_TS;
	state[CR4] = __read_cr4() & ~(X86_CR4_TSD | X86_CR4_PCE); /* a task's own */
	native_store_gdt(&table);
	state[GDT_BASE] = table.address;
	state[GDT_LIMIT] = table.size;
	store_idt(&table);
	state[IDT_BASE] = table.address;
	state[IDT_LIMIT] = table.size;
	store_tr(state[TASK]);
	state[XCR0] = __read_cr4() & X86_CR4_OSXSAVE ? xgetbv(XCR_FEATURES) : 0;
	get_debugreg(state[DR7], 7);
	state[DR7] &= DR_ENABLED; /* Linux leaves GE set behind its last breakpoint */
	for (i = 0; i < ALL; i++) {
		if (watcher->has_msr[i])
			rdmsrl(msrs[i], state[i]);
	}
}

static void check(struct watcher *watcher, int count, const char *where)
{
	u64 state[ALL] = {};
	int i;

	look(watcher, state);
	atomic_long_inc(&check_count);
	for (i = 0; i < count; i++) {
		if (state[i] == watcher->noted[i])
			continue;
		if (atomic_long_inc_return(&failure_count) < 20)
			pr_err("host_state: CPU %d, in %s: %s is %llx, was %llx\n", smp_processor_id(), where, names[i], state[i],
			       watcher->noted[i]);
	}
	WRITE_ONCE(checks, atomic_long_read(&check_count));
	WRITE_ONCE(failures, atomic_long_read(&failure_count));
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct watcher *watcher = container_of(timer, struct watcher, timer);

	check(watcher, ALWAYS, "an interrupt");
	wake_up_process(watcher->thread);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD));
	return HRTIMER_RESTART;
}

static bool has_supervisor_keys(void)
{
	return cpuid_eax(0) >= 7 && cpuid_ecx(7) & LEAF7_ECX_PKS;
}

static void use_supervisor_keys(void)
{
	u32 rights = get_random_u32() & KEYS_BUT_0;

	if (!has_supervisor_keys())
		return;
	cr4_set_bits(CR4_PKS);
	wrmsrl(MSR_PL_PKRS, rights);
	pr_info("host_state: CPU %d: CR4.PKS on, PKRS %x\n", raw_smp_processor_id(), rights);
}

static void note(struct watcher *watcher)
{
	u64 ignored;
	int i;

	use_supervisor_keys();

	for (i = 0; i < ALL; i++)
		watcher->has_msr[i] = msrs[i] && !rdmsrl_safe(msrs[i], &ignored);
	preempt_disable();
	look(watcher, watcher->noted);
	preempt_enable();
}

static int watch(void *context)
{
	struct watcher *watcher = context;

	sched_set_fifo(current);
	note(watcher);
	hrtimer_init(&watcher->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	watcher->timer.function = tick;
	hrtimer_start(&watcher->timer, ns_to_ktime(PERIOD), HRTIMER_MODE_REL_PINNED_HARD);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
		preempt_disable();
		check(watcher, ALL, "a thread");
		preempt_enable();
	}
	__set_current_state(TASK_RUNNING);
	hrtimer_cancel(&watcher->timer);
	if (has_supervisor_keys())
		cr4_clear_bits(CR4_PKS);
	return 0;
}

static void host_state_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (per_cpu(watchers, cpu).thread)
			kthread_stop(per_cpu(watchers, cpu).thread);
	}
	pr_info("host_state: checks %lu failures %lu\n", checks, failures);
}

static int __init host_state_init(void)
{
	int cpu;

	for_each_online_cpu(cpu) {
		struct task_struct *thread = kthread_create_on_cpu(watch, &per_cpu(watchers, cpu), cpu, "host_state/%u");

		if (IS_ERR(thread)) {
			host_state_exit();
			return PTR_ERR(thread);
		}
		per_cpu(watchers, cpu).thread = thread;
		wake_up_process(thread);
	}
	return 0;
}

module_init(host_state_init);
module_exit(host_state_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("watches a host CPU's own state beside guests (test)");
