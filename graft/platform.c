// SPDX-License-Identifier: GPL-2.0
/*
 * The take-over: called at the start of setup_arch(), in place of the empty x86_init.oem.arch_setup. From here
 * on the kernel believes in a machine without PIC, PIT, CMOS, APIC, PCI, ACPI, BIOS and VGA, whose clock,
 * interrupts, CPUs and ways to end are ours. docs/graft.md lists every hook in boot order, with its reason.
 */
#include <linux/memblock.h>
#include <linux/screen_info.h>
#include <linux/string.h>
#include <asm/i8259.h>
#include <asm/setup.h>
#include <asm/x86_init.h>

#include "graft.h"

extern unsigned int pci_probe;
extern u8 load_percpu_segment_code[] asm("load_percpu_segment");
extern u8 switch_to_new_gdt_code[] asm("switch_to_new_gdt"); /* has a copy of the former in some builds */
void co_arch_setup(void);

static int no_pci(void)
{
	return 0;
}

static void no_pci_interrupts(void)
{
}

static unsigned char no_nmi_reason(void)
{
	return 0;
}

static void verify_contracts(void)
{
	if (co_boot_info.magic != CO_BOOT_INFO_MAGIC || co_boot_info.version != CO_BOOT_INFO_VERSION ||
	    co_boot_info.vcpus == 0 || co_boot_info.vcpus > CO_MAX_VCPUS || co_boot_info.tsc_khz == 0)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_BOOT_INFO, co_boot_info.version);
	if (co_this_passage()->version != CO_PASSAGE_VERSION)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_PASSAGE, co_this_passage()->version);
	if (co_boot_info.vcpus > 1 && !co_boot_info.multi_cpu_ok)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_BYTES, 0);
}

static void hide_firmware(void)
{
	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.reserve_resources = x86_init_noop;
	x86_init.resources.dmi_setup = x86_init_noop;
	x86_platform.legacy.reserve_bios_regions = 0;
	x86_platform.legacy.devices.pnpbios = 0;
	memset(&screen_info, 0, sizeof(screen_info)); /* no text mode: vgacon leaves the adapter alone */
}

static void hide_devices(void)
{
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.rtc = 0;
	x86_platform.legacy.warm_reset = 0;
	x86_platform.legacy.no_vga = 1;
	x86_platform.get_nmi_reason = no_nmi_reason;
	legacy_pic = &null_legacy_pic;
	pci_probe = 0; /* a quirk would read PCI before pci=off is parsed */
	x86_init.pci.arch_init = no_pci;
	x86_init.pci.init = no_pci;
	x86_init.pci.init_irq = no_pci_interrupts;
	x86_init.pci.fixup_irqs = no_pci_interrupts;
}

static void take_interrupts(void)
{
	x86_init.irqs.pre_vector_init = x86_init_noop;
	x86_init.irqs.intr_init = co_interrupts_init;
	x86_init.irqs.intr_mode_select = x86_init_noop;
	x86_init.irqs.intr_mode_init = x86_init_noop;
}

/*
 * load_percpu_segment() writes 0, which is there already, to GS: that clears its base, until the next WRMSR. An NMI in between faults in
 * the kernel's handler, again and again, with NMIs blocked: nobody gets this CPU back. Hardware seldom sends one there, the host does.
 */
static void keep_gs_base(void)
{
#if CO_CLEARS_GS_BASE
	if (co_drop_gs_loads(load_percpu_segment_code) + co_drop_gs_loads(switch_to_new_gdt_code) == 0)
		co_end(CO_CALL_PROTOCOL, CO_GRAFT_ERROR_BYTES, (u64)load_percpu_segment_code);
#endif
}

void co_arch_setup(void)
{
	verify_contracts();
	keep_gs_base();
	memblock_reserve(co_boot_info.graft_phys, CO_GRAFT_BYTES);
	co_filter_msr_reads();
	hide_firmware();
	hide_devices();
	co_take_ports();
	take_interrupts();
	co_time_init();
	co_smp_init();
	co_set_idle(co_idle);
	co_shutdown_init();
	if (co_boot_info.flags & CO_BOOT_DEBUGGER)
		co_debugger_init();
	co_initcalls_init();
	co_early_console_init();
	co_call_interrupts_off(CO_CALL_NMI_READY, 0, 1);
}
