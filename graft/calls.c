// SPDX-License-Identifier: GPL-2.0
/*
 * Leaving for the host. The mailbox in this CPU's passage page says why; the switch code, which the driver
 * put into co_passage_code, does the rest and returns here. Runs from the first MSR write of early boot on
 * and in NMI context, so it uses no kernel service but the CPU number.
 */
#include <linux/mm.h>
#include <linux/smp.h>
#include <asm/irqflags.h>
#include <asm/pgtable.h>

#include "graft.h"

extern u8 co_passages[];
void co_passage_code(struct co_passage *passage, struct co_world *from, struct co_world *to);
void co_early_exception(int cpu, u32 call);

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
	return (struct co_passage *)(co_passages + (size_t)cpu * CO_PAGE_SIZE);
}

struct co_passage *co_this_passage(void)
{
	return co_passage_of(raw_smp_processor_id());
}

static u64 leave(struct co_passage *passage, u32 call, u32 flags)
{
	passage->mailbox.call = call;
	passage->mailbox.flags = flags;
	co_passage_code(passage, &passage->guest, &passage->host);
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
