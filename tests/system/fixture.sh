# SPDX-License-Identifier: GPL-2.0
# What every system test sources. A test is a shell session that runs on the lab's host:
#
#   . "$(dirname "$0")/fixture.sh"
#   guest 6.1                       # brings a guest image: disk $DISK, kernel $BOOT/vmlinuz, $BOOT/initrd.img
#   on_host 6.1 --cpus 2 <<'END'    # host kernel, then options of lab/lab run
#   exits 0 colinux run --disk "$DISK" ...
#   END
#
# The session may use the words of in_lab.sh. After it, whatever it did, the host must be alive, its log without a
# warning, no frame in use, and the driver unloadable. The first failure ends the test with exit code 1.
set -eu

TREE=$(cd "$(dirname "$0")/../.." && pwd)
guest_options='' kernel_files=''

# guest KERNEL: 6.1, 6.1-cloud, 6.1-rt or 6.12. A second guest gets DISK2, BOOT2, and so on.
guests=0
guest() {
    image=$("$TREE/tools/fetch-image" "$1")
    kernel_files="$kernel_files $image.boot/vmlinuz"
    guests=$((guests + 1))
    guest_options="$guest_options --disk $image --put $image.boot:/guest/$guests"
}

# kernel KERNEL: brings only that package's kernel file, for small guests: $KERNEL (then KERNEL2, and so on).
kernels=0
kernel() {
    kernels=$((kernels + 1))
    file=$(ls "$("$TREE/tools/fetch-kernel" "$1")"/boot/vmlinuz-*)
    kernel_files="$kernel_files $file"
    guest_options="$guest_options --put $file:/kernel/$kernels"
}

# Seconds that are left of what the whole test may take: ./test ends it soon after that. A lab that hangs then still says
# where it hangs, and a session that does tells more than a lab can.
deadline=$(($(cut -d. -f1 /proc/uptime) + ${COLINUX_TEST_SECONDS:-1500}))
seconds_left() { echo $((deadline - $(cut -d. -f1 /proc/uptime))); }
SECONDS_TO_TELL=60

# on_host VERSION [lab option...]: runs the session on standard input there.
on_host() {
    host=$1
    shift
    session=$(mktemp)
    cat >"$session"
    echo "== host $host $*"
    left=$(seconds_left)
    [ "$left" -gt $((2 * SECONDS_TO_TELL)) ] || { echo "FAILED: no time left for host $host"; exit 1; }
    if [ -n "$kernel_files" ] && [ -z "${unpacked-}" ]; then
        # shellcheck disable=SC2086 # so are the files of kernels
        unpacked=$("$TREE/tools/unpacked-kernels" $kernel_files)
        guest_options="$guest_options --put $unpacked:/var/cache/colinux"
    fi
    result=0
    # shellcheck disable=SC2086 # options are words
    "$TREE/lab/lab" run --timeout "$left" --host "$host" "$@" $guest_options --put "$TREE/tests/system/in_lab.sh" \
        --put "$session:session" -- sh in_lab.sh session $((left - 2 * SECONDS_TO_TELL)) || result=$?
    rm -f "$session"
    if [ $result -ne 0 ]; then
        echo "FAILED on host $host: exit code $result"
        exit 1
    fi
}

# on_each_host [lab option...]: the same session on every host kernel that we support.
on_each_host() {
    every=$(cat)
    for version in 6.1 6.12; do
        echo "$every" | on_host "$version" "$@"
    done
}
