# SPDX-License-Identifier: GPL-2.0
"""Small wrong changes, each of which some test must catch: a test that cannot fail proves nothing. `tests/mutants/run` tries them;
the style check `mutants` sees that each still fits the tree.

A mutant is one piece of text that stands once in its file, what it becomes, and who is to notice: a unit test program, or a
test script in the lab."""
from collections import namedtuple

Mutant = namedtuple("Mutant", "name file old new by")

CORE, VIRTIO, DEVICES, LOADER, VMM = "core_test", "virtio_test", "devices_test", "loader_test", "vmm_test"

MUTANTS = [
    # the run loop
    Mutant("a wake is lost", "core/vcpu.cpp", "        co_os_wake(waiter_);\n", "", CORE),
    Mutant("a kick is lost", "core/vcpu.cpp", "        co_os_kick_cpu(cpu_.load(std::memory_order_relaxed));\n        break;\n", "        break;\n", CORE),
    Mutant("a lock wait with interrupts off ends by what is pending", "core/vcpu.cpp",
           "bool can_take = sleep_ == Sleep::Idle || interrupts_on_;", "bool can_take = true;", CORE),
    Mutant("a lock's kick is not kept for who waits later", "core/vcpu_burst.cpp", "    if (sleep_ == Sleep::LockWait)\n        lock_kicked_.store(false);",
           "    lock_kicked_.store(false);", CORE),
    Mutant("the host's interrupt is eaten", "core/vcpu_burst.cpp", "            co_os_take_interrupt(arg0);\n            host_ran_ = true;\n",
           "            host_ran_ = true;\n", CORE),
    Mutant("the FPU is the host's after its interrupt", "core/vcpu_burst.cpp", "    co_os_note_guest();\n    co_os_fpu_load();\n", "    co_os_note_guest();\n", CORE),
    Mutant("a vector that the guest makes up is taken", "core/vcpu_burst.cpp", "if (co_os_vector_is_due(arg0))", "if (co_os_vector_is_due(arg0) || arg0)", CORE),
    Mutant("an accepted interrupt is forgotten", "core/vcpu_burst.cpp", "        take_accepted_interrupts(off);\n    cpu_state_", "        (void)0;\n    cpu_state_", CORE),
    Mutant("the host does not get its CPU after a burst", "core/vcpu.cpp", "            co_os_yield(next == Next::Yield);\n", "            (void)0;\n", CORE),
    Mutant("the host's end of the guest is not seen in a burst", "core/vcpu_burst.cpp", " && !co_os_must_yield() && !monitor_.ended()", " && !co_os_must_yield()", CORE),
    Mutant("an NMI of the passage is eaten", "core/vcpu_burst.cpp", "        ++passage_nmis_;\n        co_os_take_nmi();\n", "        ++passage_nmis_;\n", CORE),
    Mutant("a timer that is due never comes", "core/vcpu_burst.cpp", "        raise_timer_if(timer_.set(off, arg0));\n", "        (void)timer_.set(off, arg0);\n", CORE),
    Mutant("both clocks are read once", "core/vcpu_burst.cpp", "constexpr unsigned kClockTries = 10;", "constexpr unsigned kClockTries = 1;", CORE),
    Mutant("what KVM left in MSRs is taken for the host's", "core/vcpu_burst.cpp", "    if (co_os_msrs_are_lent()) {", "    if (false) {", CORE),
    # the watch
    Mutant("an overdue stay gets an NMI at once", "core/cpu_watch.cpp", "if (slot.kicked.exchange(entered, std::memory_order_relaxed) != entered) {",
           "if (slot.kicked.exchange(entered, std::memory_order_relaxed) == 1) {", CORE),
    Mutant("a late NMI is taken for the next stay's", "core/cpu_watch.cpp", "    std::uint64_t stay = slots[cpu].stay;",
           "    std::uint64_t stay = slots[cpu].preempted;", CORE),
    Mutant("suspects may be on all CPUs", "core/suspects.cpp", "cpus > 1 ? cpus - 1 : 1", "cpus", CORE),
    Mutant("a suspect stays one for ever", "core/vcpu_burst.cpp", "call != CO_CALL_INTERRUPT && call != CO_CALL_IDLE", "call != CO_CALL_IDLE", CORE),
    Mutant("one that was taken off waits behind the host's threads", "core/vcpu_burst.cpp", "return goes_first_ ? Next::Reenter : Next::Pause;", "return Next::Pause;", CORE),
    Mutant("others are let in before one that was taken off", "core/vcpu_burst.cpp", "times_preempted_ == 0 && monitor_.holds_others();", "false;", CORE),
    Mutant("others go on in the guest while one is off", "core/vcpu_burst.cpp", " && !monitor_.holds_others());", ");", CORE),
    Mutant("two that were taken off may spin for a third", "core/vcpu_burst.cpp", "holds_others_ && !goes_first_ ? others : 0", "others * 0", CORE),
    # the host's state
    Mutant("an MSR is not given back to the host", "core/host_cpu_state.cpp",
           "(page.msr_unsure || page.msr[i] != host_msr_[i]))\n            cpu::write_msr(kMsrs[i], host_msr_[i]);\n    }\n}\n\nvoid HostCpuState::save_host_user_state",
           "page.msr_unsure)\n            cpu::write_msr(kMsrs[i], host_msr_[i]);\n    }\n}\n\nvoid HostCpuState::save_host_user_state", CORE),
    Mutant("PEBS goes on after the host's handler", "core/host_cpu_state.cpp", "    stop_debug_store();\n    differs_", "    differs_", CORE),
    Mutant("XCR0 is not given back to the host", "core/host_cpu_state.cpp", "        cpu::write_xcr0(host_xcr0_);\n", "        (void)0;\n", CORE),
    Mutant("the host's breakpoints are lost", "core/host_cpu_state.cpp", "        host_debug_.load();\n", "        (void)0;\n", CORE),
    Mutant("user mode's FS base is the guest's", "core/host_cpu_state.cpp", "    cpu::write_fs_base(host_fs_base_);\n", "", CORE),
    # memory and requests
    Mutant("a frame is not freed", "core/guest_ram.cpp", "    co_os_run_free(block.start, block.bytes);\n", "    (void)block;\n", CORE),
    Mutant("what was taken in addition is kept", "core/guest_ram.cpp", "if (block.bytes > surplus || ", "if (surplus > 0 || block.bytes > surplus || ", CORE),
    Mutant("a doorbell behind the last is accepted", "core/monitor.cpp", "request.doorbell >= CO_DOORBELLS", "request.doorbell > CO_DOORBELLS", CORE),
    Mutant("the passage may lie in the host's memory", "core/monitor.cpp", "|| !ram_.contains(Phys{request.table_phys}, kPageSize) ", "", CORE),
    # virtqueues and devices
    Mutant("an index far ahead is believed", "vmm/virtio/virtqueue.cpp", "    if (waiting > size_)\n", "    if (false)\n", VIRTIO),
    Mutant("a chain may begin behind its table", "vmm/virtio/virtqueue.cpp", "    if (head >= size_)\n", "    if (head > size_)\n", VIRTIO),
    Mutant("a chain may leave its table by one", "vmm/virtio/virtqueue.cpp", "        if (index >= entries)\n", "        if (index > entries)\n", VIRTIO),
    Mutant("the driver is told of nothing written", "vmm/virtio/virtqueue.cpp", "    store(&element->len, written);\n", "    store(&element->len, written * 0);\n", VIRTIO),
    Mutant("no interrupt for used buffers", "vmm/virtio/device_slot.cpp", "    page_.add_interrupt(kInterruptUsed);\n    irq_.signal();\n",
           "    page_.add_interrupt(kInterruptUsed);\n", VIRTIO),
    Mutant("a request that came meanwhile is missed", "vmm/virtio/virtqueue.cpp", "    return load(available_ + 1, std::memory_order_acquire) != next_available_;\n",
           "    return false;\n", VIRTIO),
    Mutant("a read past the disk's end is tried", "vmm/devices/block_device.cpp", "sector <= capacity && sectors <= capacity - sector", "sector <= capacity", DEVICES),
    Mutant("a flush is not carried out", "vmm/devices/block_device.cpp", "        return start(BlockRequest::Kind::Flush, chain, status, 0);\n",
           "        return finish(chain.head, status, VIRTIO_BLK_S_OK, 0);\n", DEVICES),
    Mutant("a write without the flush feature is not durable", "vmm/devices/block_device.cpp", "durable_writes_ = !(features & bit(VIRTIO_BLK_F_FLUSH));",
           "durable_writes_ = features == 0;", DEVICES),
    Mutant("frames outlive a reset", "vmm/devices/net_device.cpp", "    backend_->accept(0);\n    backend_->received().clear();\n",
           "    backend_->accept(0);\n", DEVICES),
    Mutant("the console's ring does not wrap", "vmm/devices/console_ring.cpp", "std::min(head - tail_, kOutputBytes - start)", "std::min<std::uint64_t>(head - tail_, kOutputBytes)",
           DEVICES),
    # the loader
    Mutant("names are not checked against the markers", "vmm/loader/kallsyms.cpp",
           "        if (i % kNamesPerMarker == 0 && markers.at<std::uint32_t>(i / kNamesPerMarker * 4) != at)\n            return false;\n",
           "        (void)markers;\n", LOADER),
    Mutant("a segment's file part may be larger than it", "vmm/loader/elf_image.cpp", "program.p_filesz > program.p_memsz || ", "", LOADER),
    Mutant("a kept kernel's checksum does not count", "vmm/loader/kernel_cache.cpp", "std::memcmp(bytes.data(), &expected, sizeof expected)",
           "std::memcmp(bytes.data(), &expected, sizeof kMagic)", LOADER),
    # ring 0, in the lab
    Mutant("GS base is not saved", "core/arch/x86_64/world_switch.S", "\trdgsbase %rax\n\tmovq\t%rax, WORLD_GS_BASE(%rsi)\n", "",
           "tests/payloads/state.test"),
    Mutant("the host reschedules as if nothing preempted itself", "host/linux/cpu.c", "\t\tif (co_need_resched())\n\t\t\tschedule();\n", "\t\tcond_resched();\n",
           "tests/system/host_preemption.test"),
    Mutant("no preemption NMI is sent", "host/linux/cpu.c", "\tapic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);\n", "", "tests/payloads/stuck.test"),
    Mutant("a new CPU spins for the one that starts it", "graft/spinlocks.c", "\tcpumask_set_cpu(cpu, cpu_callout_mask);\n", "", "tests/system/one_cpu.test"),
    Mutant("an exception too early for the kernel is taken for an NMI", "graft/entry.S", "EARLY_GATE co_early_fault CO_CALL_PANIC", "EARLY_GATE co_early_fault CO_CALL_NMI",
           "tests/system/early_exception.test"),
    Mutant("a CPU that came online watches nobody", "host/linux/watch.c", "\tco_watch_start_here(NULL);\n\treturn 0;\n", "\treturn 0;\n", "tests/system/cpu_hotplug_watch.test"),
]


def misfits(read):
    """Complaints about mutants whose text does not stand exactly once in its file. `read`: a file's text by its name."""
    found = []
    for mutant in MUTANTS:
        count = read(mutant.file).count(mutant.old)
        if count != 1:
            found.append(f"{mutant.file}: the mutant '{mutant.name}' fits {count} times instead of once (tests/mutants/mutants.py)")
    return found
