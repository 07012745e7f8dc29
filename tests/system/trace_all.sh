# SPDX-License-Identifier: GPL-2.0
# sh trace_all.sh FOLDER [on_host]: every kind of tracing that a stock kernel has, one after the other, while FOLDER/habits runs; a tracer that
# traces nothing, or a kernel that complains, is an error.
set -e
[ -e /sys/kernel/tracing/trace ] || mount -t tracefs tracefs /sys/kernel/tracing
program=$PWD/$1/habits
cd /sys/kernel/tracing
echo 64 >buffer_size_kb
echo 120 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout # code is patched in one go, and this may be a slow machine
for names in 'do_*' 'vfs_*' '*sched*' '*irq*' '*fault*' '*tlb*' '*msr*' '*timer*' '*lock_slowpath*' '*mmap*'; do # all would take minutes
    echo "$names" >>set_ftrace_filter
done

work() { $program >/dev/null; for _ in 1 2 3; do cat /proc/stat >/dev/null; sleep 0.01; done; }

traced() { # WHAT
    work
    echo 0 >tracing_on
    lines=$(grep -cv '^#' trace) || true
    echo "traced $1: $lines lines"
    [ "$lines" -gt 10 ]
    echo >trace
    echo 1 >tracing_on
}

for tracer in function function_graph; do
    echo $tracer >current_tracer
    traced $tracer
done
echo nop >current_tracer
echo 1 >events/enable
traced 'every tracepoint'
echo 0 >events/enable
number=0
for function in native_write_msr native_write_cr4 default_idle do_syscall_64 schedule do_nanosleep __x64_sys_getppid handle_mm_fault \
    common_interrupt __common_interrupt irq_enter_rcu tick_sched_timer queued_read_lock_slowpath smp_call_function_many_cond text_poke_bp_batch \
    native_flush_tlb_global machine_restart do_int80_syscall_32 vfs_read $(awk 'NR % 2503 == 1 { print $1 }' available_filter_functions); do
    number=$((number + 1))
    echo "p:probe$number $function" >>kprobe_events 2>/dev/null || true # some must not be probed, and the kernel says so
    echo "r:return$number $function" >>kprobe_events 2>/dev/null || true
done
echo 1 >events/kprobes/enable
traced "$(wc -l <kprobe_events) kprobes"
echo 0 >events/kprobes/enable
echo >kprobe_events
echo l >/proc/sysrq-trigger
[ $# = 1 ] || for _ in 1 2 3 4 5; do
    echo l >/proc/sysrq-trigger
    work
done
# What it said goes: the backtraces that were asked for are no complaint
dmesg -c | grep -E 'WARNING: |BUG: |Oops|ftrace failed' && exit 1
exit 0
