# SPDX-License-Identifier: GPL-2.0
# Which ports and MMIO addresses of the emulated PC does a session touch? Sourced after fixture.sh.
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

# trace NAME [LAB OPTION...], then the session: the accesses to $work/NAME, each once
trace() {
    name=$1
    shift
    on_host 6.1 "$@" --qemu-args "-d guest_errors,trace:memory_region_ops_read,trace:memory_region_ops_write -D $work/log"
    awk '/^memory_region_ops/ { print $1, $7, $NF } /Invalid/ { print }' "$work/log" | sort -u >"$work/$name"
}

# Nothing in the trace `with` that is not in `without`
nothing_new() {
    [ "$(wc -l <"$work/without")" -gt 100 ] # there is something to compare
    comm -13 "$work/without" "$work/with" | tee "$work/new"
    [ ! -s "$work/new" ]
}
