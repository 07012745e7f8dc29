# SPDX-License-Identifier: GPL-2.0
"""The emulated PC: the QEMU command line and nothing else. Always TCG: ring 0 of this project never
runs on the real CPU, and /dev/kvm is never opened."""
import os
import shlex
import subprocess

from kernel_image import unpacked

CHANNELS = ("control", "stdin", "stdout", "stderr", "get")  # virtio-serial ports 1..5 = /dev/vport0p1..5
MONITOR = "monitor"  # QEMU's own, for commands that COMMAND writes to /lab/monitor
BUILD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "tools", "qemu", "build")


def emulator():
    """The patched QEMU when ./test has built it, else Debian's, with which one boot in some hundreds dies."""
    return subprocess.run([BUILD, "--find"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip() or "qemu-system-x86_64"


def disk_arguments(number, file, mode):
    """`mode`: "snapshot" (writes go to a temporary file), "ro", or "rw" (a file of the lab's own)."""
    how = {"snapshot": "snapshot=on", "ro": "readonly=on", "rw": "cache=unsafe"}[mode]
    form = "qcow2" if file.endswith(".qcow2") else "raw"
    serial = "lab-put" if mode == "rw" else f"disk{number}"
    return ["-drive", f"file={file.replace(',', ',,')},format={form},if=none,id=disk{number},{how}",
            "-device", f"virtio-blk-pci,drive=disk{number},serial={serial}"]


def command_line(options, package, run, disks, tty):
    """`run`: this run's directory, which has initrd and gets the sockets and logs. `disks`: (file, mode)."""
    # norandmaps: the emulator translates a library once for each address that it lies at; tsc=nowatchdog: a lab that stood still would find its TSC wrong
    kernel_args = f"console=ttyS0 quiet norandmaps cryptomgr.notests oops=panic panic=-1{'' if options.icount else ' tsc=nowatchdog'} {options.kernel_args}".strip()
    line = [emulator(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35", "-cpu", options.cpu, "-m", options.memory,
            "-kernel", package.image if options.bzimage else unpacked(package.image), "-initrd", os.path.join(run, "initrd"), "-append", kernel_args,
            "-serial", f"file:{os.path.join(run, 'console.log')}",
            "-device", "virtio-serial-pci,max_ports=8"]
    for number, name in enumerate(CHANNELS, 1):
        line += ["-chardev", f"socket,id={name},path={os.path.join(run, name)}",
                 "-device", f"virtserialport,chardev={name},nr={number},name=lab.{name}"]
    if tty:
        line += ["-chardev", f"socket,id=tty,path={os.path.join(run, 'tty')}", "-device", "virtconsole,chardev=tty,nr=0"]
    line += ["-chardev", f"socket,id={MONITOR},path={os.path.join(run, MONITOR)}", "-mon", f"chardev={MONITOR},mode=readline"]
    line += ["-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"]
    for number, (file, mode) in enumerate(disks):
        line += disk_arguments(number, file, mode)
    if options.icount:
        line += ["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off" if options.skip_idle else "shift=0", "-seed", "1", "-rtc", "base=2024-01-01,clock=vm"]
    else:
        line += ["-accel", "tcg", "-smp", str(options.cpus)]
    if options.debug_log:
        line += ["-d", "int,cpu_reset", "-D", os.path.abspath(options.debug_log)]
    else:
        line += ["-d", "cpu_reset", "-D", os.path.join(run, "qemu.log")]
    if options.gdb:
        line += ["-gdb", f"tcp:localhost:{options.gdb}"]
    return line + shlex.split(options.qemu_args)
