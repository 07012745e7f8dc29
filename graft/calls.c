// SPDX-License-Identifier: GPL-2.0
/*
 * Leaving for the host. The mailbox in this CPU's passage page says why; the switch code at CO_PASSAGE_VIRT, which is the
 * driver's, does the rest and returns here. Runs from the first MSR write of early boot on
 * and in NMI context, so it uses no kernel service but the CPU number.
 */
#include <linux/mm.h>
#include <linux/smp.h>
#include <asm/irqflags.h>
#include <asm/debugreg.h>
#include <asm/pgtable.h>
#include <asm/trapnr.h>

#include "graft.h"

void co_early_exception(int cpu, u32 call);
void co_early_debug_exception(int cpu, u32 vector, const struct pt_regs *regs);

unsigned int co_starting_cpu;

void *co_shared_memory(u64 phys)
{
	return __va(phys);
}

u64 co_graft_phys(const void *object)
{
	return co_boot_info.graft_phys + ((u64)object - CO_GRAFT_VIRT);
}

void *co_writable_alias(const void *object)
{
	return __va(co_graft_phys(object));
}

struct co_passage *co_passage_of(unsigned int cpu)
{
	return (struct co_passage *)(co_boot_info.passages + (size_t)cpu * CO_PAGE_SIZE);
}

struct co_passage *co_this_passage(void)
{
	return co_passage_of(raw_smp_processor_id());
}

static u64 leave(struct co_passage *passage, u32 call, u32 flags)
{
	passage->mailbox.call = call;
	passage->mailbox.flags = flags;
	co_passage_switch(passage, &passage->guest, &passage->host);
	return passage->mailbox.result[0];
}

u64 co_call_interrupts_off(u32 call, u32 flags, u64 arg0)
{
	struct co_passage *passage = co_this_passage();

	passage->mailbox.arg[0] = arg0;
	return leave(passage, call, flags);
}

u64 co_call(u32 call, u64 arg0, u64 arg1, u64 arg2, u64 arg3)
{
	unsigned long interrupt_flag = native_save_fl() & X86_EFLAGS_IF;
	struct co_passage *passage;
	bool pending;
	u64 result;

	native_irq_disable();
	passage = co_this_passage();
	passage->mailbox.arg[0] = arg0;
	passage->mailbox.arg[1] = arg1;
	passage->mailbox.arg[2] = arg2;
	passage->mailbox.arg[3] = arg3;
	result = leave(passage, call, interrupt_flag ? CO_MAILBOX_CHECKS_PENDING | CO_MAILBOX_INTERRUPTS_ON : 0);
	if (!interrupt_flag)
		return result;
	pending = READ_ONCE(passage->pending);
	native_irq_enable();
	if (pending)
		co_deliver();
	return result;
}

void co_call_from_exception(struct co_passage *passage, u32 call, u32 flags)
{
	struct co_mailbox interrupted = passage->mailbox;

	leave(passage, call, flags);
	passage->mailbox = interrupted;
}

/* The CPU only ever sets its bits (SDM Vol. 3, 18.2.3) */
static u64 take_dr6(void)
{
	u64 dr6;

	asm volatile("mov %%db6, %0" : "=r"(dr6));
	asm volatile("mov %0, %%db6" : : "r"((u64)DR6_RESERVED));
	return dr6 ^ DR6_RESERVED;
}

static u64 call_debugger(struct co_passage *passage, u32 vector, const struct pt_regs *regs, u64 dr6)
{
	struct co_mailbox interrupted = passage->mailbox;
	u64 result;

	passage->mailbox.arg[0] = vector;
	passage->mailbox.arg[1] = (u64)regs;
	passage->mailbox.arg[2] = dr6;
	result = leave(passage, CO_CALL_DEBUGGER, 0);
	passage->mailbox = interrupted;
	return result;
}

bool co_call_debugger(u32 vector, const struct pt_regs *regs, u64 dr6)
{
	return call_debugger(co_this_passage(), vector, regs, dr6) != 0;
}

/* #DB and #BP from the early gates. Who else has them there is nobody, so without an answer the guest ends. */
void co_early_debug_exception(int cpu, u32 vector, const struct pt_regs *regs)
{
	struct co_passage *passage = co_passage_of(cpu < 0 ? READ_ONCE(co_starting_cpu) : cpu);
	u64 dr6 = 0;

	if (vector == X86_TRAP_DB)
		dr6 = take_dr6();
	if (call_debugger(passage, vector, regs, dr6))
		return;
	for (;;) {
		passage->mailbox.arg[0] = CO_GRAFT_ERROR_EXCEPTION;
		passage->mailbox.arg[1] = regs->ip;
		leave(passage, CO_CALL_PROTOCOL, 0);
	}
}

static void __noreturn end_early(struct co_passage *passage)
{
	static const char text[] = "an exception before the kernel could handle any";

	passage->mailbox.arg[0] = co_graft_phys(text);
	passage->mailbox.arg[1] = sizeof(text);
	for (;;)
		leave(passage, CO_CALL_PANIC, 0);
}

/* From the early gates; cpu < 0: this CPU has not yet told its number to the GDT. */
void co_early_exception(int cpu, u32 call)
{
	struct co_passage *passage = co_passage_of(cpu < 0 ? READ_ONCE(co_starting_cpu) : cpu);

	if (call == CO_CALL_PANIC)
		end_early(passage);
	co_call_from_exception(passage, call, 0);
}

void __noreturn co_end(u32 call, u64 arg0, u64 arg1)
{
	for (;;)
		co_call(call, arg0, arg1, 0, 0);
}
