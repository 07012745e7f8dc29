// SPDX-License-Identifier: GPL-2.0
/* The guest's FPU state is, while its vCPU runs, simply the calling task's: the kernel saves and restores it
 * across preemption as it does for KVM's guests. No FPU instruction on the switch path. */
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/fpu/api.h>

#include <colinux/host_os.h>

struct co_os_fpu {
	struct fpu_guest guest;
};

struct co_os_fpu *co_os_fpu_create(void)
{
	struct co_os_fpu *fpu = kzalloc(sizeof(*fpu), GFP_KERNEL);

	if (fpu && !fpu_alloc_guest_fpstate(&fpu->guest)) {
		kfree(fpu);
		return NULL;
	}
	return fpu;
}

void co_os_fpu_destroy(struct co_os_fpu *fpu)
{
	fpu_free_guest_fpstate(&fpu->guest);
	kfree(fpu);
}

void co_os_fpu_attach(struct co_os_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, true);
}

void co_os_fpu_detach(struct co_os_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, false);
}

void co_os_fpu_load(void)
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}
