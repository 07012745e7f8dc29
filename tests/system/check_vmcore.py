#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""check_vmcore.py FILE RELEASE: an ELF core of a guest is readable as a debugger reads it: notes, then through the kernel's
page tables, which VMCOREINFO names, to the kernel's own name."""
import struct
import sys

KERNEL_MAP = 0xFFFFFFFF80000000


def main(path, release):
    file = open(path, "rb")

    def at(offset, layout):
        file.seek(offset)
        return struct.unpack(layout, file.read(struct.calcsize(layout)))

    header = at(0, "<16sHHIQQQIHHHHHH")
    assert header[0][:5] == b"\x7fELF\x02" and header[1] == 4 and header[2] == 62, "not an x86-64 core"
    programs = [at(header[5] + i * 56, "<IIQQQQQQ") for i in range(header[10])]
    loads = [(p[4], p[5], p[2]) for p in programs if p[0] == 1]  # physical, bytes, offset

    def read(phys, layout):
        for start, size, offset in loads:
            if start <= phys < start + size:
                return at(offset + phys - start, layout)
        raise SystemExit(f"{path}: {phys:#x} is not in it")

    cpus, info = 0, {}
    note, end = programs[0][2], programs[0][2] + programs[0][5]
    while note < end:
        owner_bytes, bytes_, kind = at(note, "<III")
        owner = at(note + 12, f"{owner_bytes - 1}s")[0].decode()
        content = note + 12 + (owner_bytes + 3 & ~3)
        if owner == "CORE" and kind == 1:
            rip = at(content + 112 + 16 * 8, "<Q")[0]
            assert rip > KERNEL_MAP, f"RIP {rip:#x}"
            cpus += 1
        elif owner == "VMCOREINFO":
            lines = at(content, f"{bytes_}s")[0].decode().splitlines()
            info = dict(line.split("=", 1) for line in lines if "=" in line)
        note = content + (bytes_ + 3 & ~3)
    assert cpus == 2, f"{cpus} CPUs"
    assert info["OSRELEASE"] == release and info["KERNELOFFSET"] == "0", info

    def physical(virt, table):
        levels = 5 if info.get("NUMBER(pgtable_l5_enabled)") == "1" else 4
        for shift in range(12 + 9 * (levels - 1), 11, -9):
            entry = read(table + (virt >> shift & 511) * 8, "<Q")[0]
            assert entry & 1, f"{virt:#x} is not mapped"
            offsets = (1 << shift) - 1
            if shift == 12 or entry & 0x80:
                return (entry & 0xFFFFFFFFFF000 & ~offsets) | virt & offsets
            table = entry & 0xFFFFFFFFFF000
        raise AssertionError

    shift = int(info["NUMBER(phys_base)"])
    table = int(info["SYMBOL(swapper_pg_dir)"], 16) - KERNEL_MAP + shift
    name = physical(int(info["SYMBOL(init_uts_ns)"], 16), table)
    assert release.encode() + b"\0" in read(name, "400s")[0], "the kernel's name is not where VMCOREINFO says"
    print(f"{path}: {cpus} CPUs, {len(loads)} runs of memory, kernel {release}")


main(*sys.argv[1:])
