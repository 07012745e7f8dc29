// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/colinux: turns file operations into the core's requests, knows nothing about guests itself. Root only,
 * by the node's mode. Three kinds of file: the device, a guest, a vCPU.
 */
#include <linux/anon_inodes.h>
#include <linux/cc_platform.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>

#include <colinux/abi.h>
#include <colinux/host_os.h>
#include "compat.h"
#include "glue.h"

#define LARGEST_ARGUMENT 1024

static const struct file_operations co_guest_fops;
static const struct file_operations co_vcpu_fops;

struct co_guest_file {
	void *guest;                  /* the core's */
	struct address_space mapping; /* all mappings of this guest, so that a block can be taken out of them */
	struct rw_semaphore blocks;   /* write: blocks come or go; read: a frame is being mapped */
};

static unsigned int co_files; /* of guests and vCPUs: each keeps its guest alive */
static DEFINE_MUTEX(co_files_lock);

static int co_prepare_host(void)
{
	int error = co_async_faults_stop();

	if (error)
		return error;
	error = co_watch_start();
	if (error)
		co_async_faults_resume();
	return error;
}

static int co_file_opens(void)
{
	int error = 0;

	mutex_lock(&co_files_lock);
	if (co_files == 0)
		error = co_prepare_host();
	if (!error)
		co_files++;
	mutex_unlock(&co_files_lock);
	return error;
}

static void co_file_closed(void)
{
	mutex_lock(&co_files_lock);
	if (--co_files == 0) {
		co_watch_stop();
		co_async_faults_resume();
	}
	mutex_unlock(&co_files_lock);
}

/* Copies the argument in and out around one request of the core. */
static long co_request(struct file *file, unsigned int code, unsigned long argument,
		       co_s64 (*request)(struct file *file, co_u32 code, void *copy, co_u64 value))
{
	u64 copy[LARGEST_ARGUMENT / 8];
	unsigned int bytes = _IOC_SIZE(code);
	long result;

	if (bytes > sizeof(copy) || _IOC_TYPE(code) != 0xC0)
		return -ENOTTY;
	memset(copy, 0, bytes);
	if ((_IOC_DIR(code) & _IOC_WRITE) && copy_from_user(copy, (void __user *)argument, bytes))
		return -EFAULT;
	result = request(file, code, bytes ? copy : NULL, argument);
	if ((_IOC_DIR(code) & _IOC_READ) && result != -ENOTTY && copy_to_user((void __user *)argument, copy, bytes))
		return -EFAULT;
	return result;
}

/* `mapping`: the file's own, instead of the one that all anonymous files share; NULL: that one will do */
static long co_make_file(const char *name, const struct file_operations *fops, void *data, struct address_space *mapping)
{
	struct file *file;
	long fd = co_file_opens();

	if (fd)
		return fd;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto no_file;
	file = anon_inode_getfile(name, fops, data, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto no_file;
	}
	if (mapping) {
		mapping->host = file_inode(file);
		file->f_mapping = mapping;
	}
	fd_install(fd, file);
	return fd;

no_file:
	co_file_closed();
	return fd;
}

static int co_map(struct vm_area_struct *vma, const struct vm_operations_struct *operations)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = operations;
	return 0;
}

static vm_fault_t co_map_frame(struct vm_fault *fault, co_u64 phys)
{
	if (!phys)
		return VM_FAULT_SIGBUS;
	fault->page = pfn_to_page(PHYS_PFN(phys));
	get_page(fault->page);
	return 0;
}

/* ---- the device -------------------------------------------------------------------------- */

static long co_make_guest_file(void *guest)
{
	struct co_guest_file *data = kzalloc(sizeof(*data), GFP_KERNEL_ACCOUNT);
	long result = -ENOMEM;

	if (data) {
		data->guest = guest;
		address_space_init_once(&data->mapping);
		data->mapping.a_ops = &empty_aops;
		init_rwsem(&data->blocks);
		result = co_make_file("colinux-guest", &co_guest_fops, data, &data->mapping);
	}
	if (result < 0) {
		kfree(data);
		co_core_guest_release(guest);
	}
	return result;
}

static co_s64 co_device_request(struct file *file, co_u32 code, void *copy, co_u64 value)
{
	void *created = NULL;
	co_s64 result = co_core_device_request(code, copy, &created);

	return created ? co_make_guest_file(created) : result;
}

static long co_device_ioctl(struct file *file, unsigned int code, unsigned long argument)
{
	return co_request(file, code, argument, co_device_request);
}

static const struct file_operations co_device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = co_device_ioctl,
	.llseek = noop_llseek,
};

/* ---- a guest ----------------------------------------------------------------------------- */

/* Who maps a frame has a reference to it before it can be freed, and no mapping shows what was there before. */
static co_s64 co_move_block(struct co_guest_file *data, co_u32 code, struct co_memory_block *block)
{
	co_s64 result;

	down_write(&data->blocks);
	result = co_core_guest_request(data->guest, code, block, 0, NULL);
	if (!result)
		unmap_mapping_range(&data->mapping, block->offset, CO_BLOCK_SIZE, 1);
	up_write(&data->blocks);
	return result;
}

static co_s64 co_guest_request(struct file *file, co_u32 code, void *copy, co_u64 value)
{
	struct co_guest_file *data = file->private_data;
	void *created = NULL;
	co_s64 result;

	if (code == CO_GIVE_UP_BLOCK || code == CO_TAKE_BACK_BLOCK)
		return co_move_block(data, code, copy);
	result = co_core_guest_request(data->guest, code, copy, value, &created);
	if (!created)
		return result;
	result = co_make_file("colinux-vcpu", &co_vcpu_fops, created, NULL);
	if (result < 0)
		co_core_vcpu_release(created);
	return result;
}

static long co_guest_ioctl(struct file *file, unsigned int code, unsigned long argument)
{
	return co_request(file, code, argument, co_guest_request);
}

static int co_guest_release(struct inode *inode, struct file *file)
{
	struct co_guest_file *data = file->private_data;

	co_core_guest_release(data->guest);
	kfree(data);
	co_file_closed();
	return 0;
}

static vm_fault_t co_guest_fault(struct vm_fault *fault)
{
	struct co_guest_file *data = fault->vma->vm_file->private_data;
	vm_fault_t result = VM_FAULT_SIGBUS;
	co_u64 phys;

	down_read(&data->blocks);
	phys = co_core_guest_frame(data->guest, (co_u64)fault->pgoff << PAGE_SHIFT);
	if (phys)
		result = vmf_insert_page(fault->vma, fault->address, pfn_to_page(PHYS_PFN(phys)));
	up_read(&data->blocks);
	return result;
}

static const struct vm_operations_struct co_guest_vm_operations = { .fault = co_guest_fault };

static int co_guest_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_MIXEDMAP); /* vmf_insert_page() */
	return co_map(vma, &co_guest_vm_operations);
}

static const struct file_operations co_guest_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = co_guest_ioctl,
	.release = co_guest_release,
	.mmap = co_guest_mmap,
	.llseek = noop_llseek,
};

/* ---- a vCPU ------------------------------------------------------------------------------ */

static co_s64 co_vcpu_request(struct file *file, co_u32 code, void *copy, co_u64 value)
{
	return co_core_vcpu_request(file->private_data, code, copy);
}

static long co_vcpu_ioctl(struct file *file, unsigned int code, unsigned long argument)
{
	return co_request(file, code, argument, co_vcpu_request);
}

static int co_vcpu_release(struct inode *inode, struct file *file)
{
	co_core_vcpu_release(file->private_data);
	co_file_closed();
	return 0;
}

static vm_fault_t co_vcpu_fault(struct vm_fault *fault)
{
	return co_map_frame(fault, co_core_vcpu_frame(fault->vma->vm_file->private_data,
						      (co_u64)fault->pgoff << PAGE_SHIFT));
}

static const struct vm_operations_struct co_vcpu_vm_operations = { .fault = co_vcpu_fault };

static int co_vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	return co_map(vma, &co_vcpu_vm_operations);
}

static const struct file_operations co_vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = co_vcpu_ioctl,
	.release = co_vcpu_release,
	.mmap = co_vcpu_mmap,
	.llseek = noop_llseek,
};

/* ---- module ------------------------------------------------------------------------------ */

static int co_show_state(char *buffer, const struct kernel_param *parameter)
{
	struct co_driver_state state;

	co_core_state(&state);
	return sysfs_emit(buffer, "%llu\n", parameter->arg ? state.frames : (co_u64)state.guests);
}

static const struct kernel_param_ops co_state_ops = { .get = co_show_state };
module_param_cb(guests, &co_state_ops, NULL, 0444);
MODULE_PARM_DESC(guests, "guests alive (read only)");
module_param_cb(frames_in_use, &co_state_ops, (void *)1, 0444);
MODULE_PARM_DESC(frames_in_use, "4 KiB frames that the driver holds (read only)");

static struct miscdevice co_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "colinux",
	.fops = &co_device_fops,
	.mode = 0600,
};

/* What only this kernel knows of itself; the rest is in the CPU's registers, and the core looks there. */
static co_u32 __init co_refusals(void)
{
	co_u32 found = 0;

	if (boot_cpu_has(X86_FEATURE_XENPV))
		found |= CO_REFUSAL_XEN_PV;
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		found |= CO_REFUSAL_SEV_TDX;
	if (cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT))
		found |= CO_REFUSAL_MEMORY_ENCRYPTION;
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) /* a guest keeps interrupts off as long as its kernel does; and spinlocks may sleep here */
		found |= CO_REFUSAL_PREEMPT_RT;
	return found;
}

static int __init co_module_init(void)
{
	int error = co_cpu_init();

	if (error)
		return error;
	error = co_shutdown_init();
	if (error)
		goto no_shutdown;
	error = co_sleep_init();
	if (error)
		goto no_sleep;
	co_time_init();
	co_core_start(co_refusals());
	error = misc_register(&co_device);
	if (error)
		goto no_device;
	return 0;

no_device:
	co_core_stop();
	co_sleep_exit();
no_sleep:
	co_shutdown_exit();
no_shutdown:
	co_cpu_exit();
	return error;
}

static void __exit co_module_exit(void)
{
	misc_deregister(&co_device);
	co_core_stop();
	co_sleep_exit();
	co_shutdown_exit();
	co_cpu_exit();
	co_log_exit();
}

module_init(co_module_init);
module_exit(co_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Cooperative Linux: runs Linux guests beside this kernel without hardware virtualization");
