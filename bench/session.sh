# SPDX-License-Identifier: GPL-2.0
# sh session.sh VMLINUZ CLOUD_VMLINUZ, on the lab's host, in the folder of the benchmark: all rows on the host, then in a guest, the
# boot of a small kernel, the bare world switch, then a Debian guest up to its login prompt. What it prints is read by bench/run; a line "== NAME" begins each part.
set -eu
part() { echo "== $1"; }

# KiB of the daemon's memory, and how much of it is guest RAM (mappings of the guest's file)
daemon_memory() {
    awk '/^[0-9a-f]+-[0-9a-f]+ /{ guest = /anon_inode:colinux-guest/ } /^Rss:/{ all += $2; if (guest) ram += $2 }
         END { print "daemon_rss", all, "guest_ram", ram + 0 }' "/proc/$1/smaps"
}

look_at_guest() {
    part memory
    sed -n '/^VmHWM/p' "/proc/$(pidof colinuxd)/status"
    daemon_memory "$(pidof colinuxd)"
    for task in /proc/"$(pidof colinuxd)"/task/*; do # name, user and system time in ticks of 10 ms
        echo "thread $(cat "$task/comm") $(cut -d' ' -f14,15 "$task/stat")"
    done
    part stats_before_idle
    colinux stats bench --json
    sleep 4
    part stats_after_idle
    colinux stats bench --json
    part guest_end
}

dd if=/dev/zero of=/tmp/disk.raw bs=1M count=64 2>/dev/null
modprobe loop
losetup /dev/loop0 /tmp/disk.raw
./bench --serve 7000 &

part host
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
./bench --inside --disk disk=/dev/loop0 --net tcp_loopback=127.0.0.1:7000 --net tcp_host=127.0.0.1:7000 --console console=pty \
    --disk disk_emulated=/dev/vda
losetup -d /dev/loop0

part start
./bench --clock
part guest
# The console's text goes to a file, as for any user's terminal; a shell that reads it line by line would be the dearest part.
colinux run --name bench --kernel "$1" --initrd guest.cpio --append "quiet bench=idle" --memory 1G --cpus 1 --disk /tmp/disk.raw --net slirp,host-loopback=on \
    </dev/null >console.log 2>&1 &
guest=$!
until grep -q "^sleeps now" console.log || ! kill -0 $guest; do sleep 1; done
grep -v '^x*.\?$' console.log # not the lines of the console's row
look_at_guest
wait $guest

part cloud_start
./bench --clock
part cloud
colinux run --name cloud --kernel "$2" --initrd guest.cpio --append "quiet bench=boot" --memory 256M --cpus 1 </dev/null 2>&1

part switch
./run_payload round_trips.payload 10000

part login
./bench --mark 1
colinux run --name login --kernel login/vmlinuz --initrd login/initrd.img --memory 512M --cpus 1 --disk /dev/vdb --net slirp,host-loopback=on \
    </dev/null 2>&1 | while read -r line; do
    case $line in *"Log in as root"*) ./bench --mark 2 && echo "login prompt" && colinux kill login ;; esac
done
