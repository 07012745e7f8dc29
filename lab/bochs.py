# SPDX-License-Identifier: GPL-2.0
"""The lab's other PC: Bochs, a second and stricter implementation of the CPU (`lab/lab run --emulator bochs`).

It interprets: some 20 to 100 million instructions per second, so a host needs minutes to boot. It has no virtio and no
direct kernel boot: kernel and initramfs lie on a CD, and what the host says comes through three serial ports that
Bochs writes to files. No --disk, no --get, no standard input, no terminal.

Debian packs its kernels with xz, whose decompressor alone takes five times as many instructions as the rest of a boot. So the
package's setup code starts the same kernel unpacked (bochs_start.S). --bzimage boots the package's file itself.
"""
import ctypes
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

from failure import LabFailure
from kernel_image import unpacked
from session import TIMEOUT

DEFAULT_CPU = "corei7_skylake_x"  # PCID, SMEP, SMAP, AVX-512, VMX; no CET, no protection keys
# Where Bochs 2.7's CPUID is wrong Linux would do without XSAVE at all (size of the compacted format), or hang early (fsrm); with erms it copies byte by byte
CLEARED = "clearcpuid=erms,fsrm,xsavec,xsaves"
PORTS = ("console.log", "output", "control")  # ttyS0..2
SERIAL_BASE = ((0x3f8, 4), (0x2f8, 3), (0x3e8, 4))


def check(options):
    """LabFailure names what Bochs, or this machine, cannot do."""
    for wanted, name in ((options.disk, "--disk"), (options.get, "--get"), (options.icount, "--icount"), (options.skip_idle, "--skip-idle"), (options.gdb, "--gdb"),
                         (options.qemu_args, "--qemu-args"), (options.what == "shell", "shell")):
        if wanted:
            raise LabFailure(f"{name} does not go with --emulator bochs")
    if not all(map(os.path.exists, ("/usr/bin/bochs", "/usr/lib/ISOLINUX/isolinux.bin", "/usr/bin/xorriso"))):
        raise LabFailure("Bochs is not there; install it with: tools/setup tests/bochs/packages.txt")


def _megabytes(text):
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found or not 64 <= (size := int(found[1]) * (1024 if found[2] == "G" else 1)) <= 2048:
        raise LabFailure(f"--memory {text}: Bochs has 64M to 2G")
    return size


SETUP_SECTS, SYSSIZE = 0x1f1, 0x1f4  # offsets in the setup header: Documentation/arch/x86/boot.rst
START, TABLES, ROOM = 0x100000, 0x101000, 0x10000  # where bochs_start.S is loaded, its page tables, and the kernel's distance from it


def _start_code(run, load, entry, length):
    source, thing, code = os.path.join(os.path.dirname(__file__), "bochs_start.S"), os.path.join(run, "start.o"), os.path.join(run, "start")
    defines = [f"-D{name}={value}" for name, value in
               (("START", START), ("TABLES", TABLES), ("FROM", START + ROOM), ("TO", load), ("LENGTH", length), ("ENTRY", entry))]
    subprocess.run(["gcc", "-c", "-m64", *defines, "-o", thing, source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", thing, code], check=True)
    with open(code, "rb") as file:
        return file.read().ljust(ROOM, b"\0")


def _unpacked_bzimage(image, run):
    """`image`'s setup code, bochs_start.S and the unpacked kernel as it lies in memory."""
    with open(image, "rb") as file:
        setup = bytearray(file.read(64 << 10))
    setup = setup[:(setup[SETUP_SECTS] + 1) * 512]
    with open(unpacked(image), "rb") as file:
        elf = file.read()
    entry, table = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + size * number) for number in range(count)]
    loads = [(physical, offset, length) for kind, _, offset, _, physical, length in headers if kind == 1]
    load = min(physical for physical, _, _ in loads)
    memory = bytearray(max(physical + length for physical, _, length in loads) - load)
    for physical, offset, length in loads:
        memory[physical - load:physical - load + length] = elf[offset:offset + length]
    memory = memory.rstrip(b"\0")  # .bss, which the kernel clears
    memory.extend(bytes(-len(memory) % 16))
    memory[:0] = _start_code(run, load, entry, len(memory))
    struct.pack_into("<I", setup, SYSSIZE, len(memory) // 16)
    return bytes(setup + memory)


def _make_cd(options, package, run):
    stage = os.path.join(run, "cd")
    os.mkdir(stage)
    if options.bzimage:
        shutil.copy(package.image, os.path.join(stage, "vmlinuz"))
    else:
        with open(os.path.join(stage, "vmlinuz"), "wb") as file:
            file.write(_unpacked_bzimage(package.image, run))
    shutil.move(os.path.join(run, "initrd"), os.path.join(stage, "initrd"))
    for name in ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"):
        shutil.copy(name, stage)
    # nokaslr: the search for entropy in the decompressor costs as much as the rest of it
    arguments = f"console=ttyS0 quiet cryptomgr.notests edd=off nokaslr oops=panic panic=-1 {CLEARED} {options.kernel_args}".strip()
    with open(os.path.join(stage, "isolinux.cfg"), "w") as file:
        file.write(f"default lab\nprompt 0\nlabel lab\n kernel vmlinuz\n append initrd=initrd {arguments}\n")
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", os.path.join(run, "lab.iso"), "-b", "isolinux.bin", "-c", "boot.cat",
                    "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", stage], check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(stage)


def _write_settings(options, run):
    memory = _megabytes(options.memory)
    lines = ["display_library: term", "mouse: enabled=0", "clock: sync=none, time0=1704067200",
             "romimage: file=/usr/share/bochs/BIOS-bochs-latest", "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest",
             f"cpu: model={options.cpu}, count={options.cpus}, ips=100000000, reset_on_triple_fault=0, cpuid_limit_winnt=0",
             f"memory: guest={memory}, host={memory}", "pci: enabled=1, chipset=i440fx", "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
             f"ata0-master: type=cdrom, path={run}/lab.iso, status=inserted", "boot: cdrom",
             f"log: {run}/bochs.log", "panic: action=fatal", "error: action=report", "info: action=ignore"]
    lines += [f"com{number}: enabled=1, mode=file, dev={run}/{name}" for number, name in enumerate(PORTS, 1)]
    with open(os.path.join(run, "bochsrc"), "w") as file:
        file.write("\n".join(lines) + "\n")
    with open(os.path.join(run, "commands"), "w") as file:
        file.write("c\n")  # Debian's Bochs begins in its debugger


class BochsSession:
    """Runs Bochs on a pseudo terminal (its only display here), passes COMMAND's output on while it comes."""

    def __init__(self, options, run):
        self.options, self.run = options, run

    def _start(self):
        ours, theirs = pty.openpty()
        line = ["bochs", "-q", "-f", os.path.join(self.run, "bochsrc"), "-rc", os.path.join(self.run, "commands")]
        with open(os.path.join(self.run, "bochs.err"), "w") as errors:
            process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=errors, start_new_session=True, cwd=self.run,
                                       env={**os.environ, "TERM": "vt100"},
                                       preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))
        os.close(theirs)
        threading.Thread(target=self._drain, args=(ours,), daemon=True).start()
        return process

    @staticmethod
    def _drain(descriptor):
        try:
            while os.read(descriptor, 65536):
                pass
        except OSError:
            pass  # Bochs has ended

    def _pass_on(self, offset):
        path = os.path.join(self.run, "output")
        if os.path.exists(path):
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read().replace(b"\r\n", b"\n")
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
                return file.tell()
        return offset

    def _text(self, name):
        path = os.path.join(self.run, name)
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()

    def wait(self):
        """COMMAND's exit code, or TIMEOUT; LabFailure says how the host died."""
        began, offset = time.monotonic(), 0
        process = self._start()
        try:
            while process.poll() is None:
                if self.options.timeout and time.monotonic() - began > self.options.timeout:
                    print(f"lab: timeout after {self.options.timeout:g} s", file=sys.stderr)
                    return TIMEOUT
                offset = self._pass_on(offset)
                time.sleep(0.5)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._pass_on(offset)
        found = re.search(r"^exit (\d+)", self._text("control"), re.M)
        if not found:
            raise LabFailure(f"bochs ended by signal {-process.returncode}" if process.returncode < 0 else self._cause_of_death())
        return int(found[1])

    def _cause_of_death(self):
        for name, pattern in (("console.log", r"lab: init: .*|Kernel panic - not syncing: .*|(?:BUG|Oops|general protection fault)[: ].*"),
                              ("bochs.log", r"exception\(\): 3rd .*|>>PANIC<< .*"), ("bochs.err", r".*\S.*")):
            if found := re.findall(pattern, self._text(name)):
                return "host died: " + re.sub(r"\s+", " ", found[0])
        return "host died without a message"


def run_bochs(options, package, run):
    """With run/initrd written: the lab's exit code."""
    _make_cd(options, package, run)
    _write_settings(options, run)
    try:
        return BochsSession(options, run).wait()
    finally:
        if options.debug_log:
            shutil.copy(os.path.join(run, "bochs.log"), options.debug_log)
