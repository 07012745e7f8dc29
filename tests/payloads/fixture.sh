# SPDX-License-Identifier: GPL-2.0
# For the tests of this folder: sourced at their start, from the checkout's root. See in_lab.sh for what a script
# inside the lab can say.
set -eu
SEED=${SEED:-1} # what is random is the same again with the same SEED

# in_lab [LAB OPTION...] SCRIPT: runs SCRIPT in the lab's host with the payloads at hand, and checks that the host is
# well afterwards. Fails with SCRIPT's output when either fails.
in_lab() {
    options=
    while [ $# -gt 1 ]; do options="$options $1"; shift; done
    echo "== lab$options"
    left=$((deadline - $(cut -d. -f1 /proc/uptime)))
    [ "$left" -gt 60 ] || { echo "FAILED: no time left"; exit 1; }
    echo "$1" >"$script"
    # shellcheck disable=SC2086 # options are words
    lab/lab run $options --timeout "$left" --put build/release/tests/payloads:payloads --put "$script:script" \
        --put tests/payloads/in_lab.sh:in_lab.sh --put build/nmi_sender:nmi_sender --put build/host_state:host_state -- \
        'cd /root/payloads && sh -euc ". ../in_lab.sh; . ../script" && sh -euc ". ../in_lab.sh; host_is_well"'
}
deadline=$(($(cut -d. -f1 /proc/uptime) + ${COLINUX_TEST_SECONDS:-1500})) # as for the system tests: all labs of a test share it
script=$(mktemp) && trap 'rm -f "$script"' EXIT

# Every host kernel and CPU model that makes a difference to the switch: in_each_lab SCRIPT
in_each_lab() {
    for model in "max --bzimage" qemu64 Skylake-Client EPYC; do # unpacked, a kernel begins with four levels, whatever the CPU has
        # shellcheck disable=SC2086 # an option, too
        in_lab --host 6.1 --cpu $model "$1"
    done
    for model in max,-la57 Skylake-Client; do
        in_lab --host 6.12 --cpu $model "$1"
    done
}

tests/payloads/build_modules
