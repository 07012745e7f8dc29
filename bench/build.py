# SPDX-License-Identifier: GPL-2.0
"""What bench/run and bench/compare measure with: bench (static, and a dynamic build of it), the payload of the bare world
switch, the emulator's plugin, and the initramfs of the guests."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "lab"))
from cpio import Archive  # noqa: E402

HERE = os.path.join(ROOT, "bench")
BUSYBOX = "/bin/busybox"
MODULES = ("virtio", "virtio_ring", "virtio_blk", "virtio_net", "net_failover", "failover")
APPLETS = ("sh", "mount", "cat", "modprobe", "ip", "sleep", "poweroff")
C_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")
PAYLOAD_FLAGS = ("-ffreestanding", "-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-mno-mmx", "-fno-pic", "-fno-pie",
                 "-fno-stack-protector", "-fcf-protection=none", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none",
                 "-Wl,-z,max-page-size=4096")


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def build(out):
    """bench, bench_dynamic, round_trips.payload, run_payload, counter.so."""
    sources = [os.path.join(HERE, "bench.c"), os.path.join(HERE, "measure.c"), *sorted(glob.glob(f"{HERE}/rows_*.c"))]
    run("gcc", *C_FLAGS, "-static", "-o", f"{out}/bench", *sources)
    run("gcc", *C_FLAGS, "-o", f"{out}/bench_dynamic", *sources)
    run("gcc", *C_FLAGS, "-shared", "-fPIC", "-o", f"{out}/counter.so", f"{HERE}/counter.c")
    payloads = f"{ROOT}/tests/payloads"
    run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", *PAYLOAD_FLAGS, f"-I{ROOT}/include", f"-I{payloads}", f"-T{payloads}/payload.ld",
        "-o", f"{out}/round_trips.elf", f"{HERE}/round_trips.c", f"{payloads}/start.S")
    run("g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", f"-I{payloads}", "-static", "-o", f"{out}/run_payload",
        f"{payloads}/run_payload.cpp")
    run("objcopy", "-O", "binary", f"{out}/round_trips.elf", f"{out}/round_trips.payload")


def libraries(program):
    """Shared libraries and the loader that `program` needs."""
    said = run("ldd", program, stdout=subprocess.PIPE, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


def make_initramfs(path, package, bench, more=(), modules=(), applets=()):
    """Busybox, bench and the guest's modules: the kernel's own, signed files. `more`: (file or directory here, its name there)."""
    with tempfile.TemporaryDirectory() as stage, open(path, "wb") as out:
        folder = f"{stage}/lib/modules/{package.release}"
        os.makedirs(folder)
        for name in MODULES + tuple(modules):
            [source] = glob.glob(f"{package.modules}/kernel/**/{name}.ko", recursive=True)
            shutil.copy(source, folder)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(f"{package.modules}/{name}", folder)
        run("depmod", "-b", stage, package.release)
        archive = Archive(out)
        for name in ("proc", "sys", "dev", "sbin", "tmp"):
            archive.directory(name)
        archive.tree(f"{HERE}/guest_init", "init")
        archive.tree(BUSYBOX, "bin/busybox")
        for name in APPLETS + tuple(applets):
            archive.symlink(f"bin/{name}", "busybox")
        archive.symlink("sbin/modprobe", "/bin/busybox")  # where the kernel looks for it
        archive.tree(bench, "bin/bench")
        archive.tree(f"{stage}/lib", "lib")
        for source, name in more:
            archive.tree(source, name)
        archive.close()
