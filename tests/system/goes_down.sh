# SPDX-License-Identifier: GPL-2.0
# goes_down HOST PATTERN COMMAND: two guests run, one of them with interrupts off; by COMMAND the host goes down at once and without
# a complaint, and PATTERN is among the last that its console says. After `kernel`. Sourced after fixture.sh.
goes_down() {
    echo "== host $1: $3"
    work=$(mktemp -d)
    cat >"$work/session" <<END
small_initrd /root/initrd 'echo the other kernel is well >/dev/ttyS0; sleep 1; echo b >/proc/sysrq-trigger'
small_initrd /root/busy 'echo busy; while :; do :; done'
colinux run --name g --kernel \$KERNEL --initrd /root/busy --memory 128M --cpus 2 --detach
within 100 sh -c 'colinux logs g | grep busy'
/root/run_payload spin.payload & sleep 1
$3
END
    set -- "$1" "$2" "$TREE/build/release/tests"
    # shellcheck disable=SC2086 # options are words
    "$TREE/lab/lab" run --timeout "$(seconds_left)" --host "$1" --cpus 4 --console "$work/log" $guest_options --put "$work/session" \
        --put "$TREE/tests/system/in_lab.sh" --put "$3/system/kexec_now" --put "$3/payloads/run_payload" \
        --put "$3/payloads/spin.payload" -- sh in_lab.sh session "$(seconds_left)" 2>"$work/err" || cat "$work/err"
    tail -n 3 "$work/log"
    if grep -E 'WARNING|BUG|Oops|Call Trace|rcu.*stall' "$work/log"; then exit 1; fi
    tail -n 5 "$work/log" | grep "$2"
    sed -n 's/^lab: host log: \(.*\)\/console.log$/\1/p' "$work/err" | xargs -r rm -r # kept for hosts that died
    rm -r "$work"
}
