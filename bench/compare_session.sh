# SPDX-License-Identifier: GPL-2.0
# sh compare_session.sh VMLINUZ PEER|cloud|switch..., on the lab's host, in the folder of the benchmark: the same rows on the host ("host") and in
# one guest after the other, from the same initramfs. A line "== PEER" begins what each printed; bench/compare reads it.
set -eu
vmlinuz=$1
shift
end_of() { # LOG: what a guest said, without the lines of the console's row
    tr -d '\r' <"$1" | grep -v '^x*$'
}

card() { # NAME ADDRESS
    modprobe tun
    [ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
    tunctl -t "$1" >/dev/null
    ip address add "$2" dev "$1"
    ip link set "$1" up
}

run_host() {
    modprobe loop
    losetup /dev/loop0 /tmp/disk.raw
    chroot root bench --inside --disk disk=/dev/loop0 --net tcp_loopback=127.0.0.1:7000 --net tcp_host=127.0.0.1:7000 --console console=pty
    losetup -d /dev/loop0
    [ ! -e root/programs ] || chroot root /bin/sh /programs
    echo "bench done"
}

run_colinux() {
    modprobe colinux
    card tap3 10.0.3.1/24
    ./bench --clock
    colinux run --name bench --kernel "$vmlinuz" --initrd guest.cpio --append "quiet bench=colinux" --memory 1G --cpus 1 \
        --disk /tmp/disk.raw --net tap=tap3 --net slirp,host-loopback=on </dev/null >colinux.log 2>&1
    end_of colinux.log
    echo "frames_in_use $(cat /sys/module/colinux/parameters/frames_in_use)"
    rmmod colinux
}

# the second start of a small kernel: the first one kept it unpacked
run_cloud() {
    modprobe colinux
    for start in first second; do
        [ $start = first ] || ./bench --clock
        colinux run --name cloud --kernel cloud-vmlinuz --initrd guest.cpio --append "quiet bench=boot" --memory 128M --cpus 1 </dev/null >cloud.log 2>&1
    done
    end_of cloud.log
    rmmod colinux
}

# the bare world switch
run_switch() {
    modprobe colinux
    ./run_payload round_trips.payload 10000
    rmmod colinux
}

run_uml() {
    card tap4 10.0.4.1/24
    ./linux.uml mem=1G initrd=guest.cpio ubd0=/tmp/disk.raw vec0:transport=tap,ifname=tap4,depth=128,gro=1 con=null con0=null,fd:1 ssl=null \
        umid=bench quiet bench=uml </dev/null >uml.log 2>uml.errors || cat uml.errors
    end_of uml.log
}

# KVM on the emulated SVM hangs now and then: three attempts
run_kvm() {
    modprobe kvm_amd
    modprobe vhost_net
    card tap5 10.0.5.1/24
    for attempt in 1 2 3; do
        timeout 400 qemu/start -M microvm -accel kvm -cpu host -m 1G -L qemu -bios qemu/qboot.rom -nodefaults -no-user-config \
            -display none -no-reboot -kernel "$vmlinuz" -initrd guest.cpio -append "quiet reboot=t console=ttyS0 bench=kvm" \
            -serial file:kvm.serial -drive file=/tmp/disk.raw,format=raw,if=none,id=disk -object iothread,id=io \
            -device virtio-blk-device,drive=disk,iothread=io \
            -netdev tap,id=net,ifname=tap5,script=no,downscript=no,vhost=on -device virtio-net-device,netdev=net,mac=52:54:00:00:00:05 \
            -netdev user,id=slirp -device virtio-net-device,netdev=slirp,mac=52:54:00:00:00:02 \
            -chardev file,id=console,path=kvm.log -device virtio-serial-device \
            -device virtconsole,chardev=console </dev/null >kvm.errors 2>&1 || true
        grep -q "^bench done" kvm.log && break
        echo "attempt $attempt failed"
        cat kvm.errors kvm.serial kvm.log | grep -v '^x*.\?$' | tail -n 30
    done
    end_of kvm.log
}

dd if=/dev/zero of=/tmp/disk.raw bs=1M count=64 2>/dev/null
mkdir root
(cd root && cpio -i <../guest.cpio 2>/dev/null)
mount -t proc proc root/proc
mount --rbind /dev root/dev
./bench --serve 7000 &
for peer in "$@"; do
    echo "== $peer"
    "run_$peer"
done
