# SPDX-License-Identifier: GPL-2.0
"""The lab session of bench/compare and bench/spec: what is put into the lab, and the rows that came back, {peer: {row: ns}}."""
import os
import shutil
import subprocess

from build import HERE, ROOT, libraries, make_initramfs, run
from compare_report import GUESTS
from kernel_package import fetch
from report import parts, rows

PEERS = ("host", *GUESTS)
MODULES = ("virtio_mmio", "virtio_console")  # what a guest on QEMU's microvm needs more
APPLETS = ("reboot", "tar", "gzip", "find", "grep", "rm")
COMPILED = ("rows_calls.c", "rows_console.c", "rows_disk.c", "rows_network.c", "rows_processes.c")  # what tcc can: no atomics, no nopl
TREE_FILES = 400
UML = "/usr/bin/linux.uml"
QEMU = "/usr/bin/qemu-system-x86_64"


class CompareFailure(Exception):
    pass


def make_data(folder):
    """What the whole programs work on: never changes but with the sources of bench and the headers of libc."""
    os.makedirs(f"{folder}/src")
    for name in COMPILED:
        run("tcc", "-E", "-D_GNU_SOURCE", "-o", f"{folder}/src/{name}", f"{HERE}/{name}")
    for number in range(TREE_FILES):
        path = f"{folder}/tree/{number % 20}/{number}.txt"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.writelines(f"{number * 7919 + line * 104729 & 0xffffff:06x} straw\n" for line in range(number % 50))
            file.write("needle\n" if number % 37 == 0 else "")
    with open(f"{folder}/script.sql", "w") as file:
        file.write("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, value INTEGER);\n")
        file.writelines(f"INSERT INTO t (name, value) VALUES ('one by one {i}', {i});\n" for i in range(20))
        file.write("BEGIN;\n")
        file.writelines(f"INSERT INTO t (name, value) VALUES ('name {i * 7919 % 2003}', {i * 104729 % 65536});\n" for i in range(2000))
        file.write("COMMIT;\nCREATE INDEX by_name ON t (name);\nSELECT count(*), sum(value) FROM t WHERE name > 'name 5';\n"
                   "SELECT name, count(*) AS n FROM t GROUP BY name ORDER BY n DESC, name LIMIT 5;\nDELETE FROM t WHERE value % 3 = 0;\n")


def make_guest(work, package):
    """guest.cpio: bench, the whole programs with their libraries and data."""
    make_data(f"{work}/data")
    programs = {f"{work}/bench_dynamic": "bin/bench_dynamic", "/usr/bin/tcc": "bin/tcc", "/usr/bin/sqlite3": "bin/sqlite3"}
    needed = sorted({library for program in programs for library in libraries(program)})
    [tcc] = [folder for folder in ("/usr/lib/x86_64-linux-gnu/tcc", "/usr/lib/tcc") if os.path.isdir(folder)]
    make_initramfs(f"{work}/guest.cpio", package, f"{work}/bench", modules=MODULES, applets=APPLETS, more=[
        *programs.items(), *((library, library) for library in needed), (tcc, tcc), (f"{work}/data", "data"), (f"{HERE}/programs.sh", "programs")])


def put_qemu(folder):
    """The emulator for the lab's host, with its libraries, started by its own loader."""
    os.makedirs(f"{folder}/lib")
    for library in libraries(QEMU):
        shutil.copy(library, f"{folder}/lib")
    shutil.copy(QEMU, folder)
    for name in ("qboot.rom", "linuxboot_dma.bin"):
        shutil.copy(f"/usr/share/qemu/{name}", folder)
    with open(f"{folder}/start", "w") as file:
        file.write('#!/bin/sh\nexec qemu/lib/ld-linux-x86-64.so.2 --library-path qemu/lib qemu/qemu-system-x86_64 "$@"\n')
    os.chmod(f"{folder}/start", 0o755)


def run_lab(work, package, peers, cpu="max", timeout=3600, icount=True):
    """The session on the lab's host, with one CPU; returns its output. Without `icount` its clock is the real one."""
    put = f"{work}/put"
    os.mkdir(put)
    for name in ("bench", "guest.cpio", "run_payload", "round_trips.payload"):
        shutil.copy(f"{work}/{name}", put)
    for path in (f"{HERE}/compare_session.sh", package.image, *([UML] if "uml" in peers else [])):
        shutil.copy(path, put)
    if "cloud" in peers:
        shutil.copy(fetch("6.1-cloud").image, f"{put}/cloud-vmlinuz")
    if "kvm" in peers:
        put_qemu(f"{put}/qemu")
    done = run(f"{ROOT}/lab/lab", "run", *(["--icount"] if icount else ["--cpus", "1"]), "--cpu", cpu, "--host", "6.1", "--memory", "4G", "--timeout", str(timeout), "--no-driver",
               "--put", f"{put}:bench", "--console", f"{work}/host.log", "--", "sh", "-c",
               f"cp -rL bench /tmp/bench && cd /tmp/bench && exec sh compare_session.sh {os.path.basename(package.image)} {' '.join(peers)}",
               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return done.stdout


def results_of(output, peers):
    found = {name: text for name, text in parts(output).items() if name in peers}
    for name in peers:
        if "bench done" not in found.get(name, ""):
            tail = "\n".join(found.get(name, output).strip().splitlines()[-15:])
            raise CompareFailure(f"{name}: not all rows were measured; it said in the end:\n{tail}")
    return {name: {row: ns for row, (ns, _) in rows(found[name]).items()} for name in peers}
