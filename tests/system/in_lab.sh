# SPDX-License-Identifier: GPL-2.0
# sh in_lab.sh SESSION SECONDS: runs one test session on the lab's host, then judges the host. See fixture.sh. Sessions may
# use the functions below; DISK, BOOT, DISK2, BOOT2 ... name the guests that the test asked for.
#
# A deadline here is a net below a guest that stands still, no measure: ten times what a quiet machine needs, and as much more
# as this lab was slower to boot.

fail() {
    echo "FAILED: $*"
    exit 1
}

# exits CODE COMMAND...: COMMAND must end with that exit code.
exits() {
    wanted=$1
    shift
    got=0
    "$@" || got=$?
    [ "$got" = "$wanted" ] || fail "exit code $got instead of $wanted: $*"
}

# says PATTERN COMMAND...: COMMAND must end well and print a line (on either stream) that matches.
says() {
    pattern=$1
    shift
    got=0
    said=$("$@" 2>&1) || got=$?
    echo "$said"
    [ $got = 0 ] || fail "exit code $got: $*"
    echo "$said" | grep -Eq -- "$pattern" || fail "no '$pattern' from: $*"
}

# refuses CODE PATTERN COMMAND...: COMMAND must end with that code, saying exactly one line, which matches.
refuses() {
    code=$1 pattern=$2
    shift 2
    got=0
    said=$("$@" 2>&1) || got=$?
    echo "$said"
    said=$(echo "$said" | grep -v '^colinux: memory: ') # progress
    [ "$got" = "$code" ] || fail "exit code $got instead of $code: $*"
    [ "$(echo "$said" | wc -l)" = 1 ] || fail "more than one line from: $*"
    echo "$said" | grep -Eq -- "$pattern" || fail "no '$pattern' from: $*"
}

uptime_seconds() { cut -d. -f1 /proc/uptime; }

# within SECONDS COMMAND...: COMMAND is tried until it succeeds.
within() {
    deadline=$(($(uptime_seconds) + $1 * SLOWNESS))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(uptime_seconds)" -lt $deadline ] || fail "not in time: $*"
        sleep 0.2
    done
}

# ends_in_time COMMAND...: runs it; exit code 143 when it is still there after the time that any guest of these tests needs.
ends_in_time() { timeout $((600 * SLOWNESS)) "$@"; }

# boots DISK BOOT [option of colinux run...]: a Debian guest named g, up to its login prompt. $LIGHT: the emulator translates a
# library once for each address that it lies at, and Debian starts many programs; ./try boots without.
LIGHT='--append norandmaps'
boots() {
    disk=$1 boot=$2
    shift 2
    colinux run --name g --disk $disk --kernel $boot/vmlinuz --initrd $boot/initrd.img $LIGHT --detach "$@"
    within 900 sh -c 'colinux logs g | grep login:'
}

# small_initrd FILE COMMANDS: an initramfs with busybox whose init runs COMMANDS, then powers off. /host holds FILES.
small_initrd() {
    root=$(mktemp -d)
    mkdir -p $root/bin $root/proc $root/sys $root/dev $root/host
    cp /bin/busybox $root/bin/
    [ -z "${FILES-}" ] || cp $FILES $root/host/
    cat >$root/init <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
console=/dev/hvc0; [ -c \$console ] || console=/dev/console
exec <\$console >\$console 2>&1
$2
poweroff -f
sleep 1000
INIT
    chmod +x $root/init
    (cd $root && find . | cpio -o -H newc) >$1 2>/dev/null
    rm -r $root
}

# small_guest CODE COMMANDS [option of colinux run...]: a guest with that initramfs, on $KERNEL; must end with CODE.
small_guest() {
    code=$1 initrd=$(mktemp)
    small_initrd $initrd "$2"
    shift 2
    exits $code ends_in_time colinux run --kernel $KERNEL --initrd $initrd --memory 192M "$@" </dev/null
    rm $initrd
}

# starts_small COMMANDS [option of colinux run...]: a guest g with that initramfs, on $KERNEL, which says "ready" first; it is left running.
starts_small() {
    small_initrd /root/initrd "echo ready; $1"
    shift
    colinux run --name g --kernel $KERNEL --initrd /root/initrd --memory ${MEMORY:-192M} --detach "$@"
    within 120 sh -c 'colinux logs g | grep ready'
}

frames_in_use() { cat /sys/module/colinux/parameters/frames_in_use; }
no_frames() { [ "$(frames_in_use)" = 0 ]; }

# Prints what no healthy kernel says; not what Debian has to say about the weaknesses of a CPU model.
complaints() {
    dmesg | grep -Ev '(RETBleed|Speculative Return Stack Overflow|Spectre V2 ?): WARNING' |
        grep -E 'WARNING: |BUG: |Oops|general protection|Call Trace|kernel panic|soft lockup|hung_task|rcu.*stall|Unloaded tainted'
}

judge_host() {
    if complaints; then
        fail "the host's kernel complained"
    fi
    if cat /var/log/colinux/*.log* 2>/dev/null | grep 'colinuxd: system calls were refused'; then # by its filter: vmm/sys/linux/system_call_filter.cpp
        fail "the daemon's list of system calls is too short"
    fi
    if [ -d /sys/module/colinux ]; then
        within 60 no_frames
        within 60 rmmod colinux
        if complaints; then
            fail "the host's kernel complained while the driver was unloaded"
        fi
    fi
    echo "host alive"
}

# For a test that failed: what each guest said and did last, and where the host's tasks and CPUs are. One look must tell a
# guest that hangs from one that is slow.
tell() {
    for name in $(timeout 30 colinux ps 2>/dev/null | sed '1d; s/ .*//'); do
        echo "== guest $name: its console's last lines; its statistics twice, two seconds apart"
        timeout 30 colinux logs $name | tail -n 20
        timeout 30 colinux stats $name || true
        sleep 2
        timeout 30 colinux stats $name || true
    done
    echo "== the host: blocked tasks, CPUs, and the end of its kernel's log"
    before=$(dmesg | wc -l)
    echo w >/proc/sysrq-trigger
    echo l >/proc/sysrq-trigger
    dmesg | tail -n +$((before - 25)) | tail -n 200
}

set -eu
QUIET_BOOT=5 # seconds until a lab on a quiet machine begins the session
: "${SLOWNESS:=$(($(uptime_seconds) / QUIET_BOOT + 1))}"
export SLOWNESS
number=1
for disk in /sys/block/vd*; do
    [ -d "/guest/$number" ] || break
    suffix=$([ $number = 1 ] || echo $number)
    export "DISK$suffix=/dev/${disk#/sys/block/}" "BOOT$suffix=/guest/$number"
    number=$((number + 1))
done

[ ! -e /kernel/1 ] || export KERNEL=/kernel/1 KERNEL2=/kernel/2 KERNEL3=/kernel/3 KERNEL4=/kernel/4

if [ "${2-}" = session ]; then # a process of its own, in which `set -e` holds
    set -o pipefail
    . "./$1"
    exit 0
fi
result=0
timeout "$2" sh in_lab.sh "$1" session || result=$?
case $result in
0) (judge_host) || result=1 ;; # not after a session that failed: its guests may be alive
124 | 143) echo "FAILED: the session has not ended in $2 s" ;;
esac
if [ $result -ne 0 ]; then
    if complaints; then
        echo "FAILED: the host's kernel complained"
    fi
    tell
fi
exit $result
