# SPDX-License-Identifier: GPL-2.0
# What the payload tests say inside the lab. Sourced there, in the folder of the payloads. Any failure ends the script.
set -eu

last_cpu=$(($(nproc) - 1)) # 1, but for Bochs

fail() { echo "FAILED: $*" >&2; exit 1; }

# payload NAME [COUNT [SEED [VCPUS]]]: it must power itself off without failures
payload() {
    ./run_payload "$1.payload" "${2:-1}" "${3:-0}" "${4:-1}" >"$1.out" || { cat "$1.out"; fail "payload $*"; }
    cat "$1.out"
}

# payload_ends NAME COUNT EXIT ARG0: the driver must end it, with this CO_EXIT_* and its first argument
payload_ends() {
    ./run_payload "$1.payload" "$2" >"$1.out" || true
    grep -qx "exit $3" "$1.out" && grep -qx "arg0 $4" "$1.out" || { cat "$1.out"; fail "payload $1 $2 should end with exit $3, arg0 $4"; }
}

# killed_payload NAME COUNT SECONDS (COUNT: and more words for run_payload): never ends by itself; SIGKILL after SECONDS must end it at once
killed_payload() {
    ./run_payload "$1.payload" $2 & victim=$!
    sleep "$3"
    test -d /proc/$victim || fail "payload $1 ended by itself"
    kill -KILL $victim
    wait $victim 2>/dev/null || true
    test "$(cat /sys/module/colinux/parameters/guests)" = 0 || fail "payload $1 outlived its process"
}

# Processes of the host that watch their own registers, one per CPU; witnesses_agree ends them. start_witnesses SEED
start_witnesses() {
    ./witness 0 "$1" & witnesses=$!
    [ "$last_cpu" = 0 ] || { ./witness "$last_cpu" "$1" & witnesses="$witnesses $!"; }
}
witnesses_agree() {
    kill -TERM $witnesses
    for witness in $witnesses; do
        wait "$witness" || fail "a process of the host found its registers changed"
    done
}

# state COUNT SEED: the randomised-state test. A guest on the last CPU, a witness on each CPU, the host's ring 0 watched.
state() {
    insmod ../host_state/"$(uname -r)"/host_state.ko
    start_witnesses "$2"
    echo "payload state $1 $2"
    taskset -c "$last_cpu" ./run_payload state.payload "$1" "$2" >state.out || { cat state.out; fail "payload state $1 $2"; }
    cat state.out
    witnesses_agree
    rmmod host_state
    dmesg | grep 'host_state: ' | tail -n 20
    dmesg | grep -q 'host_state: checks [1-9][0-9]* failures 0$' || fail "the host's own state changed"
}

# holding_kvm COMMAND...: with KVM loaded and VMX or SVM on, as on a host that runs KVM's guests too
holding_kvm() {
    kvm=kvm_intel
    ! grep -q AuthenticAMD /proc/cpuinfo || kvm=kvm_amd
    modprobe $kvm
    ./kvm_holder & holder=$!
    sleep 1
    test -d /proc/$holder || fail "KVM has no guest"
    "$@"
    kill $holder
    wait $holder 2>/dev/null || true
    rmmod $kvm
}

# storm NAME COUNT PAUSE: payload NAME on CPU 1 while NMIs are sent there, each PAUSE microseconds after the last
storm() {
    taskset 2 ./run_payload "$1.payload" "$2" >"$1.out" & victim=$!
    sleep 1
    insmod ../nmi_sender/"$(uname -r)"/nmi_sender.ko cpu=1 pause_us="$3"
    wait $victim || { cat "$1.out"; fail "payload $1 $2 under NMIs"; }
    cd /sys/module/nmi_sender/parameters
    sleep 0.1; counts=$(cat lost)
    cd - >/dev/null
    rmmod nmi_sender
    cat "$1.out"; dmesg | grep 'nmi_sender: sent' | tail -n 1
    test "$counts" = 0 && dmesg | grep -Eq 'nmi_sender: sent ([0-9]+) handled \1 lost 0' || fail "NMIs were lost"
    dmesg | grep -Eq 'nmi_sender: sent [0-9]{3,}' || fail "there was no storm"
}

# The host after it: no complaint in its log, nothing left of the guests, and the driver can go
host_is_well() {
    if dmesg | sed -n '/colinux: loading/,$p' | grep -E 'BUG|WARNING|Oops|Call Trace|Uhhuh|general protection|rcu.*stall|soft lockup|hung task|MCE|mce: \['; then
        fail "the host complains"
    fi
    test "$(cat /sys/module/colinux/parameters/guests)" = 0 || fail "a guest is left"
    test "$(cat /sys/module/colinux/parameters/frames_in_use)" = 0 || fail "frames are left"
    rmmod colinux
    echo "host is well"
}
