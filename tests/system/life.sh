# SPDX-License-Identifier: GPL-2.0
# Words for sessions that count what a host holds and end guests at random moments; brought to the lab by `--put` and sourced.

# remember FILE: what the host holds now. Twice: to look is to make things (/proc, /sys) that the first look still counts.
remember() {
    host_holds >/dev/null
    host_holds >"$1"
}

# host_holds: what the host's kernel holds after it gave back what it could, "NAME NUMBER" per line.
host_holds() {
    echo "references $(cat /sys/module/colinux/refcnt)"
    within 60 rmmod colinux && modprobe colinux # and with it what vfree() has put off
    for _ in 1 2 3; do
        sync
        echo 3 >/proc/sys/vm/drop_caches
        sleep 0.5
    done
    for cache in /sys/kernel/slab/*; do
        [ -L "$cache" ] && continue # another name of one
        echo 1 >"$cache/shrink"
        read -r objects _ <"$cache/objects"
        echo "slab:${cache##*/} $objects $(cat "$cache/objs_per_slab")"
    done
    echo "files $(cut -f 1 /proc/sys/fs/file-nr)"
    echo "threads $(cat /proc/[0-9]*/task/[0-9]*/comm 2>/dev/null | grep -vc kworker)"
    echo "vmalloc $(wc -l </proc/vmallocinfo)"
    awk '/^(MemFree|Buffers|Cached|SReclaimable):/ { free += $2 } /^MemTotal/ { all = $2 }
        $1 == "count:" { free += 4 * $2 } # pages that each CPU keeps at hand
        END { print "pages", (all - free) / 4 }' /proc/meminfo /proc/zoneinfo
}

# no_leak BEFORE COUNT: nothing may have grown by one for every second of COUNT cycles, beyond what comes and goes by itself:
# 250 of anything; of pages 16 MiB, and 8 per cycle. (-22, 183, 20 and 2,446 pages were seen: no trend, but noise.) Of a slab that a CPU
# has at hand all objects count as taken: two of them come and go, too.
no_leak() {
    for _ in 1 2 3; do # what is freed late (RCU, work queues) may still be there at the first one
        host_holds >/root/holds
        compare_holds "$1" "$2" && return 0
        sleep 10
    done
    ps
    cat /proc/meminfo
    return 1
}

compare_holds() {
    awk -v count="$2" 'NR == FNR { before[$1] = $2; next }
        { grown = $2 - before[$1]; limit = ($1 == "pages" ? 4096 + 7.5 * count : $3 > 125 ? 2 * $3 : 250) + count / 2 }
        grown > most { most = grown; name = $1 }
        $1 == "pages" { pages = grown }
        grown > limit { print "LEAK:", $1, "from", before[$1] + 0, "to", $2; bad = 1 }
        END { print "host holds after", count, "cycles: most growth:", most + 0, name, "- pages:", pages + 0; exit bad }' "$1" /root/holds
}

# child_of PID: its child, nothing when it has none
child_of() {
    for stat in /proc/[0-9]*/stat; do
        read -r line <"$stat" 2>/dev/null || continue
        set -- "$1" ${line##*) }
        [ "$3" != "$1" ] || { stat=${stat#/proc/}; echo "${stat%/stat}"; }
    done 2>/dev/null
}

# plan COUNT SEED: a line for each life: seconds until its end, 0.02 to 5.12, as many below 0.32 as above; and who is killed.
plan() {
    awk -v count="$1" -v seed="$2" 'BEGIN { srand(seed); for (i = 0; i < count; i++) {
        seconds = 0.02 * (1 + rand())
        for (doublings = int(8 * rand()); doublings > 0; doublings--) seconds *= 2
        printf "%.2f %s\n", seconds, rand() < 0.2 ? "run" : "daemon" } }'
}

# lives NAME: guests one after the other by the plan on standard input, each killed at its moment.
lives() {
    while read -r seconds victim; do
        colinux run --name "$1" --kernel "$KERNEL" --initrd /root/initrd --memory 128M --cpus 2 </dev/null >"/root/$1.out" 2>&1 &
        run=$!
        sleep "$seconds"
        daemon=$(child_of $run)
        if [ "$victim" = run ]; then
            kill -9 $run 2>/dev/null || true
            sleep 0.1 # the guest goes on without its console
        fi
        [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
        wait $run 2>/dev/null || true
    done
}
