# SPDX-License-Identifier: GPL-2.0
# guest_faults SEED COUNT [CLASS...]: COUNT guests with $KERNEL, each of which comes to harm in one way; fault i has seed SEED + i, and
# that chooses the class, too. Without CLASS: all that a host survives, and every twentieth guest is one of `many`: $ROUNDS times each class `o`, one
# after the other. Each guest must end as its class allows, leave no frame, and the next one must boot. Brought to the lab by `--put` and
# sourced; prints a line per class.
#
# Outcomes: o = the kernel said so (oops), ended the process and went on to its end, w = it went on to its end, p = panic or halt (exit codes 12, 11), k = ended by the driver (15), s = stuck: ended by
# the watchdog (14) or by us, r = refused by the daemon (31 to 34), or powered off or reset before its end. L: the host is known not to survive it always
# (docs/threat-model.md): only by name. The last field must be on the console.
faults_table() {
    cat <<'TABLE'
many 1 o .
write_null 1 o kernel NULL pointer dereference
write_noncanonical 1 o general protection fault
write_unmapped 1 o unable to handle page fault
write_random 1 o (general protection|unable to handle)
read_unmapped 1 o unable to handle page fault
jump_null 1 o kernel NULL pointer dereference
jump_noncanonical 1 o general protection fault
jump_unmapped 1 o unable to handle page fault
jump_random 1 o (general protection|unable to handle)
jump_data 1 wp (execute NX-protected|unable to handle)
write_kernel_text 1 o unable to handle page fault
write_memory 1 wpksr injure
flip_memory 1 wpksr injure
fill_memory 1 wpksrL injure
write_idt 1 o unable to handle page fault
write_gdt 1 o unable to handle page fault
write_tss 1 o unable to handle page fault
write_passage_words 1 wpksr injure
write_guest_state 1 w injure
write_switch_code 1 o unable to handle page fault
write_graft_text 1 o unable to handle page fault
write_graft_data 1 wpksr injure
stack_overflow 1 p stack guard page
stack_lost 1 p (stack guard page|double fault)
stack_elsewhere 1 wps injure
bad_return 1 wp injure
invalid_opcode 1 o invalid opcode
divide 1 o divide error
breakpoint 1 wp int3
bad_vector 1 o (segment not present|general protection|unable to handle)
bug 1 o kernel BUG
panic_now 1 p injured on purpose
oops_in_interrupt 2 p Fatal exception in interrupt
spin_one 1 s injure
spin_all 2 s injure
halt_one 1 s injure
halt_all 2 s injure
lock_twice 1 s injure
lock_twice_all 2 s injure
cross_locks 2 s injure
lose_percpu 1 s injure
nmi_handler_spins 1 s injure
nmi_handler_never_returns 1 s injure
wait_for_stopped_cpu 2 s injure
out_of_memory 1 p Out of memory
no_atomic_memory 1 wps injure
virtqueue_pages 1 wpks disk at work
virtqueue_rings 1 wpks disk at work
virtqueue_all 1 wpks disk at work
virtqueue_driver 1 wpks disk at work
user_crashme 1 w crashme: .* by signal
user_memory 1 w [Oo]ut of memory
boot_no_init 1 p Unable to mount root fs
boot_no_initcall 1 wps .
boot_init_dies 1 p Attempted to kill init
boot_no_memory 1 ps .
boot_no_root 1 p Unable to mount root
initrd_cut 1 wps .
initrd_flipped 1 wps .
image_cut 1 r truncated|damaged|not a Linux kernel
image_flipped 1 wpksr .
stage_stops 1 ps .
write_gdt_alias 1 wpksL injure
write_tss_alias 1 wpksL injure
write_page_tables 1 wpksL injure
write_driver_words 1 wpksL injure
jump_kernel_text 1 wpksrL injure
jump_graft_text 1 wpksrL injure
TABLE
}

# For boot_no_initcall: what a kernel is told not to do. For stage_stops: where it meets an invalid instruction, in boot order.
INITCALLS='populate_rootfs chr_dev_init init_pipe_fs init_script_binfmt init_elf_binfmt tty_init inet_init proc_cmdline_init genhd_device_init
    init_ramfs_fs wq_sysfs_init rand_initialize sock_init pty_init devtmpfs_init cgroup_wq_init random_sysctls_init bdi_class_init'
STAGES='startup_64 x86_64_start_kernel start_kernel setup_arch e820__memory_setup init_mem_mapping paging_init trap_init ftrace_init
    sched_init rcu_init early_irq_init init_IRQ tick_init time_init console_init vfs_caches_init fork_init proc_root_init
    arch_cpu_finalize_init check_bugs rest_init kernel_init smp_prepare_cpus_common workqueue_init driver_init do_initcalls
    populate_rootfs inet_init free_initmem run_init_process'

WATCHDOG=3 PATIENCE=$((40 * SLOWNESS)) ROUNDS=5

# shellcheck disable=SC2046 # one line of words
oopses() { echo $(faults_table | awk '$3 == "o" && $1 != "many" { print $1 }'); }

# What runs in the guest
guest_side() {
    echo "OOPSES='$(oopses)'"
    cat <<'INIT'
for word in $(cat /proc/cmdline); do
    case $word in how=*) how=${word#how=} ;; seed=*) seed=${word#seed=} ;; rounds=*) rounds=${word#rounds=} ;; esac
done
for module in virtio_ring virtio virtio_blk virtio_console failover net_failover virtio_net; do
    case $how in virtqueue_*) insmod /host/$module.ko ;; esac
done
case $how in virtqueue_*) ip link set eth0 up; dd if=/dev/vda of=/dev/null bs=64k & dd if=/dev/zero of=/dev/vda bs=4k & sleep 0.2; [ -b /dev/vda ] && echo "disk at work" ;; esac
case $how in none|boot_*|stage_*|image_*|initrd_*|user_*) ;; *) insmod /host/injure.ko ;; esac
echo "guest is up"
case $how in
none) ;;
boot_init_dies) exit ;;
boot_*|stage_*|image_*|initrd_*) ;;
many)
    for round in $(seq $rounds); do
        for class in $OOPSES; do
            sh -c "echo $class $seed >/proc/injure"
            seed=$((seed + 1))
        done
    done ;;
user_crashme) /host/crashme $seed 150 ;;
user_memory) sh -c 'x=0123456789; while :; do x="$x$x"; done' ;;
*) sh -c "echo $how $seed >/proc/injure" ;;
esac
ls / >/dev/null
echo "guest goes on"
case $how in virtqueue_*) echo b >/proc/sysrq-trigger ;; esac # an orderly end would wait for its disk
INIT
}

# chance SEED COUNT LIMIT: COUNT numbers below LIMIT
chance() { awk -v seed="$1" -v count="$2" -v limit="$3" 'BEGIN { srand(seed); for (; count > 0; count--) print int(rand() * limit) }'; }

# pick SEED WORD...: one of the words
pick() { shift $(($1 % ($# - 1) + 1)); echo "$1"; }

# flip FILE SEED COUNT: COUNT bytes of it become others
flip() {
    for where in $(chance "$2" "$3" "$(stat -c %s "$1")"); do
        # shellcheck disable=SC2046 # a number
        printf "\\$(printf %03o $(chance $((where + $2)) 1 256))" | dd of="$1" bs=1 seek="$where" conv=notrunc 2>/dev/null
    done
}

# file_offset ELF ADDRESS: where in the file that virtual address lies. Only the low 32 bits differ in a kernel.
file_offset() {
    od -An -v -tx4 -w56 -j64 -N560 "$1" | awk -v address="$2" '
        function number(text, value, i) { for (i = 1; i <= 8; i++) value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1; return value }
        { start = number($5); offset = number($3); bytes = number($9); wanted = number(substr(address, 9)) }
        $1 == "00000001" && $6 == "ffffffff" && wanted >= start && wanted < start + bytes { print offset + wanted - start; exit }'
}

# Once: the initramfs, the unpacked kernel and the addresses of the stages
prepare_faults() {
    truncate -s 64M /root/disk
    FILES="$(echo /root/faults/*)" small_initrd /root/initrd "$(guest_side)"
    small_initrd /root/symbols 'grep -E " ('"$(echo $STAGES | tr -s ' ' '|')"')$" /proc/kallsyms'
    colinux run --kernel $KERNEL --initrd /root/symbols --memory 128M --append quiet </dev/null | tr -d '\r' | grep '^ffffffff' >/root/stages
    [ "$(wc -l </root/stages)" -gt 20 ] || fail "the guest does not say where its functions are"
    tail -c +4097 /var/cache/colinux/*.vmlinux >/root/vmlinux
}

# life CLASS SEED CPUS: one guest; its exit code, its console in /root/console
life() {
    kernel=$KERNEL initrd=/root/initrd append="quiet lockdown=none how=$1 seed=$2 rounds=$ROUNDS" options=
    case $1 in
    boot_no_init) append="$append rdinit=/nowhere" ;;
    boot_no_root) append="$append rdinit=/nowhere root=/dev/vda" ;;
    boot_no_memory) append="$append mem=$((8 + $2 % 24))M" ;;
    boot_no_initcall) append="$append initcall_blacklist=$(pick "$2" $INITCALLS)" ;;
    initrd_*) initrd=/root/bad && cp /root/initrd $initrd ;;
    image_flipped) kernel=/root/bad && cp $KERNEL $kernel && flip $kernel "$2" $((1 + $2 % 20)) ;;
    image_cut) kernel=/root/bad && head -c "$(chance "$2" 1 "$(stat -c %s $KERNEL)")" $KERNEL >$kernel ;;
    stage_stops)
        kernel=/root/bad && cp /root/vmlinux $kernel
        stage=$(sed -n "$((1 + $2 % $(wc -l </root/stages)))p" /root/stages)
        echo "stage ${stage##* }"
        printf '\017\013' | dd of=$kernel bs=1 seek="$(file_offset $kernel "${stage%% *}")" conv=notrunc 2>/dev/null ;;
    virtqueue_*) options="--disk /root/disk --net slirp" ;;
    esac
    case $1 in
    initrd_cut) truncate -s "$(chance "$2" 1 "$(stat -c %s $initrd)")" $initrd ;;
    initrd_flipped) flip $initrd "$2" 20 ;;
    esac
    [ $kernel = $KERNEL ] && cache=/var/cache/colinux || cache= # the damaged ones are not kept
    rm -f /root/impatient /root/console
    (end_it "$1"; : >/root/impatient; exec colinux kill f) >/dev/null 2>&1 & patience=$!
    code=0
    COLINUX_CACHE_DIR=$cache colinux run --name f --kernel $kernel --initrd $initrd --memory 128M --cpus "$3" --watchdog $WATCHDOG --on-reboot exit $options --append "$append" \
        </dev/null >/root/console 2>&1 || code=$?
    kill $patience 2>/dev/null || :
    return $code
}

# end_it CLASS: until a guest has had the time that any needs. What waits with interrupts on hangs for good, but for no watchdog.
end_it() {
    for _ in $(seq $PATIENCE); do
        sleep 1
        [ "$1" != wait_for_stopped_cpu ] || ! grep -q 'injure: ' /root/console || { sleep 2; break; }
    done
}

# outcome CODE: of a guest, as in the table, and as tests/payloads/fault_campaign counts it
outcome() {
    case $1 in
    0 | 10) if grep -q 'guest goes on' /root/console; then echo w 1; else echo r 8; fi ;;
    11 | 12) echo p 2 ;;
    15) echo k 4 ;;
    14) echo s 16 ;;
    13) [ -e /root/impatient ] && echo s 16 || echo x 8 ;; # else the daemon has died
    31 | 32 | 33 | 34) echo r 8 ;;
    *) echo x 8 ;;
    esac
}

guest_faults() {
    first=$1 count=$2
    shift 2
    every=$([ $# -gt 0 ] || echo 20)
    # shellcheck disable=SC2046 # names
    [ $# -gt 0 ] || set -- $(faults_table | awk '$3 !~ /[Lo]/ { print $1 }')
    prepare_faults
    : >/root/tally
    i=0
    while [ $i -lt "$count" ]; do
        class=$(eval "echo \${$(((first + i) * 7 % $# + 1))}") # neighbours in the table are alike
        [ -z "$every" ] || [ $((i % every)) != 0 ] || class=many
        one_fault "$class" $((first + i))
        i=$((i + 1))
    done
    one_fault none $((first + count)) # the guest after the last
    awk -v seed="$first" '{ n[$1]++; c[$1, $2]++; wrong[$1] += $3; frames[$1] += $4; bad += $3 + $4; all++ }
        END { for (k in n) print "faults class=" k " seed=" seed " count=" n[k] " went_on=" c[k, "w"] + 0 " panic=" c[k, "p"] + 0 " killed=" c[k, "k"] + 0 \
              " ended=" c[k, "r"] + 0 " stuck=" c[k, "s"] + 0 " wrong=" wrong[k] " frames_leaked=" frames[k]; print all, "faults"; exit bad != 0 }' /root/tally
}

# one_fault CLASS SEED
one_fault() {
    row=$(faults_table | grep "^$1 " || [ "$1" != none ] || echo none 1 w .)
    [ -n "$row" ] || fail "no such class: $1"
    echo "guest class=$1 seed=$2"
    case $1 in none | many) ;; *) echo "inject class=$1 seed=$2" ;; esac
    set -- "$1" "$2" $row
    code=0 wrong=0
    life "$1" "$2" "$4" || code=$?
    how=$(outcome $code)
    case $1 in none | many) ;; *) echo "outcome ${how#* }" ;; esac
    case $(echo "$5" | tr o w) in *${how% *}*) ;; *) wrong=1 ;; esac
    grep -Eq -- "$(faults_table | sed -n "s/^$1 [^ ]* [^ ]* //p" | grep . || echo .)" /root/console || wrong=1
    case $1 in boot_* | image_* | initrd_* | stage_*) ;; *) grep -q 'guest is up' /root/console || wrong=1 ;; esac # the one before did it no harm
    [ "$1" != many ] || all_of_many || wrong=1
    frames=0
    for _ in 1 2 3 4 5 6 7 8 9 10; do no_frames && break; sleep 0.5; done
    no_frames || frames=$(frames_in_use)
    if [ $wrong != 0 ]; then
        echo "WRONG class=$1 seed=$2 exit code $code"
        tail -n 15 /root/console
    fi
    echo "$1 ${how% *} $wrong $frames" >>/root/tally
}

# Each has been tried, and each has left the trace of one oops
all_of_many() {
    tr -d '\r' </root/console | sed -n 's/.*injure: \([a-z_]*\) \([0-9]*\)$/\1 \2/p' >/root/injured
    sed 's/^\([^ ]*\) \(.*\)/inject class=\1 seed=\2\noutcome 1/' /root/injured
    sed 's/ .*/ w 0 0/' /root/injured >>/root/tally
    wanted=$((ROUNDS * $(oopses | wc -w)))
    echo "many: $(wc -l </root/injured) injuries, $(grep -c 'end trace' /root/console) oopses of $wanted"
    [ "$(wc -l </root/injured)" = $wanted ] && [ "$(grep -c 'end trace' /root/console)" = $wanted ]
}
