// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting with interrupts off. While the guest's interrupts are off the host does not get this CPU, so a vCPU
 * that spins for another one which the host cannot run there would end both. Every known wait of that kind
 * gives the CPU back (DESIGN, section 3); tried: none of these may be missing.
 *   - spinlocks: the kernel's paravirtual ones, with pv_wait also yielding when the value has changed (the head
 *     of a queue whose lock was stolen is not hashed again and spins) and a far shorter spin before it. And who comes does not
 *     try to steal the lock for as long as the head of the queue sleeps, which has no end (pv_hybrid_queued_unfair_trylock):
 *     it tries once and queues;
 *   - stop_machine(): the call in its loop becomes a yield;
 *   - a new CPU that spins until the one that starts it lets it through: on kernels from 6.5 on its loop becomes one that
 *     yields, on older ones it is let through beforehand. Two guests that start could else hold two CPUs for ever;
 *   - rwlocks: rwlocks.c.
 */
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/string.h>
#include <asm/paravirt.h>
#include <asm/qspinlock.h>

#include "graft.h"

#define KERNEL_SPINS 0x8000
#define OUR_SPINS 0x200
#define SPINS_PER_YIELD 0x200
#define SHOULD_ONLINE 4 /* kernel/cpu.c, SYNC_STATE_SHOULD_ONLINE */

extern u8 pv_slowpath_code[] asm("__pv_queued_spin_lock_slowpath");
extern u8 multi_cpu_stop_code[] asm("multi_cpu_stop");
extern const u8 stop_machine_yield_code[] asm("stop_machine_yield");
void __pv_init_lock_hash(void);
void __pv_queued_spin_lock_slowpath(struct qspinlock *lock, u32 value);
void __raw_callee_save___pv_queued_spin_unlock(struct qspinlock *lock);

static void wait_for_kick(u8 *value, u8 expected)
{
	if (in_nmi())
		return;
	co_call(READ_ONCE(*value) == expected ? CO_CALL_LOCK_WAIT : CO_CALL_YIELD, 0, 0, 0, 0);
}

static void kick(int cpu)
{
	co_call(CO_CALL_LOCK_KICK, cpu, 0, 0, 0);
}

static unsigned int stop_rounds[CO_MAX_VCPUS];

static void stop_machine_wait(const struct cpumask *cpus)
{
	unsigned int *rounds = &stop_rounds[raw_smp_processor_id()];

	cpu_relax();
	if (++*rounds % SPINS_PER_YIELD == 0)
		co_call(CO_CALL_YIELD, 0, 0, 0, 0);
}

static void require(bool found, const u8 *code)
{
	if (!found)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_BYTES, (u64)code);
}

#if CO_BRINGUP_IN_STEP
/* pause; mov (%rdx),%eax; cmp $SYNC_STATE_SHOULD_ONLINE,%eax; jne to the pause. What follows is the function's end. */
static const u8 bringup_spin[] = { 0xf3, 0x90, 0x8b, 0x02, 0x83, 0xf8, SHOULD_ONLINE, 0x75, 0xf7 };
static const u8 state_to_first_argument[] = { 0x48, 0x89, 0xd7 }; /* mov %rdx,%rdi */

static void wait_for_bringup(atomic_t *state)
{
	unsigned int spins = 0;

	while (atomic_read(state) != SHOULD_ONLINE) {
		cpu_relax();
		if (++spins % SPINS_PER_YIELD == 0)
			co_call(CO_CALL_YIELD, 0, 0, 0, 0);
	}
}

/* Where a compiler made other code of it the preemption NMI has to do, as for any spin that nobody knows. */
static void yield_in_bringup(void)
{
	u8 *code = co_find_bytes(cpuhp_ap_sync_alive, bringup_spin, sizeof(bringup_spin));

	if (code) {
		memcpy(code, state_to_first_argument, sizeof(state_to_first_argument));
		co_write_jump(code + sizeof(state_to_first_argument), wait_for_bringup);
	}
}

void co_let_through(unsigned int cpu)
{
}
#else
static void yield_in_bringup(void)
{
}

void co_let_through(unsigned int cpu)
{
	cpumask_set_cpu(cpu, cpu_callout_mask);
}
#endif

void co_spinlocks_init(void)
{
	yield_in_bringup();
	require(co_change_immediates(pv_slowpath_code, KERNEL_SPINS, OUR_SPINS) == 2, pv_slowpath_code);
	require(co_leave_spins_on_second_byte(pv_slowpath_code) == 1, pv_slowpath_code);
	require(co_redirect_calls(multi_cpu_stop_code, stop_machine_yield_code, stop_machine_wait) == 1, multi_cpu_stop_code);
	__pv_init_lock_hash();
	pv_ops.lock.queued_spin_lock_slowpath = __pv_queued_spin_lock_slowpath;
	pv_ops.lock.queued_spin_unlock = PV_CALLEE_SAVE(__pv_queued_spin_unlock);
	pv_ops.lock.wait = wait_for_kick;
	pv_ops.lock.kick = kick;
}
