# SPDX-License-Identifier: GPL-2.0
"""Makes Markdown tables of what bench/run collected: the rows that bench printed, the counters of counter.c, the statistics
of the guest. Everything is per operation."""
import datetime
import json
import re
import subprocess

from machine import emulator

BEGIN, END = "<!-- figures: written by bench/run -->", "<!-- end of figures -->"

# name in the output, title. The first group stays inside the guest.
INSIDE = (
    ("getppid", "getppid"), ("read_byte", "read of 1 byte (/dev/zero)"), ("stat", "stat"), ("open_close", "open + close"),
    ("clock_gettime", "clock_gettime (vDSO)"), ("gettimeofday", "gettimeofday (vDSO)"), ("page_fault", "page fault, anonymous, 4 KiB"),
    ("mmap_touch_munmap", "mmap, touch, munmap"), ("mprotect_fault", "mprotect, write fault, signal, mprotect"),
    ("signal", "signal to itself"), ("thread_create", "thread create + join"), ("fork_exit_wait", "fork + exit + wait"),
    ("fork_exec", "fork + exec (static) + wait"), ("pipe_ping_pong", "pipe ping-pong, two processes"),
    ("context_switch", "context switch (sched_yield)"), ("futex_ping_pong", "futex ping-pong, two processes"),
    ("tcp_loopback_round_trip", "TCP round trip, loopback"), ("tcp_loopback_send_kib", "TCP stream, loopback, per KiB"),
)
OUTSIDE = (
    ("disk_read_4k", "4K random read, O_DIRECT: host loop device on a file in memory; guest cobd on the same file"),
    ("disk_read_64k", "64K sequential read, O_DIRECT, likewise"),
    ("tcp_host_round_trip", "TCP round trip to a server on the host: host by loopback; guest by conet (libslirp)"),
    ("tcp_host_send_kib", "TCP stream to that server, per KiB"),
    ("tcp_host_receive_kib", "TCP stream from that server, per KiB"),
    ("console", "16 KiB of lines to the console: host a pseudo-terminal and a reader; guest cocon, its log and its terminal"),
)
TRIPS = ("nothing to do in the host", "read the host's wall clock", "doorbell that nobody has bound", "program a timer of the host",
         "yield, with the host's scheduler asked")


def parts(output):
    """The output between "== NAME" lines, by NAME."""
    pieces = re.split(r"^== (\w+)\r?\n", output, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2]))


def rows(text):
    """{name: (nanoseconds, operations in all)}"""
    found = re.findall(r"^row (\w+) ([\d.]+) (\d+)", text, re.MULTILINE)
    return {name: (float(ns), int(operations)) for name, ns, operations in found}


def counters(text):
    """One {name: count} for each pair of markers, in order."""
    return [dict(zip(line.split()[2::2], map(int, line.split()[3::2]))) for line in text.splitlines() if line.startswith("count ")]


def clock(text):
    """(TSC, CLOCK_MONOTONIC) in nanoseconds, as `bench --clock` printed them."""
    return tuple(map(int, re.search(r"^clock (\d+) (\d+)", text, re.MULTILINE).groups()))


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(heads, lines):
    text = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join(text + ["| " + " | ".join(line) + " |" for line in lines]) + "\n"


def compare(titles, host, guest):
    return table(("", "host", "guest", "guest ÷ host"),
                 [(title, number(host[name][0]), number(guest[name][0]), f"{guest[name][0] / host[name][0]:.3f}") for name, title in titles])


def accesses(title, count, operations):
    def per(*names):
        return number(round(sum(count[name] for name in names) / operations, 2))
    return (title, per("instructions"), per("rdmsr"), per("wrmsr"), per("read_cr"), per("write_cr"), per("write_cr3"),
            per("read_dr", "write_dr"), per("xgetbv"), per("xsetbv"))


def versions(root, package, cpu, tool="bench/run"):
    def said(*command):
        return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()
    commit = said("git", "rev-parse", "--short=12", "HEAD")
    if said("git", "status", "--porcelain", "--untracked-files=no"):
        commit += " with changes"
    qemu = said(emulator(), "--version").splitlines()[0]
    compiler = said("gcc", "--version").splitlines()[0]
    return (f"Measured on {datetime.date.today()} at commit {commit} by `{tool}`. Kernel of host and guest: {package}. "
            f"{qemu}, `-cpu {cpu}`, one CPU, `-icount shift=0`; {compiler}.")


def boot(alone, login_alone, part, login_count):
    cloud_started, cloud = clock(part["cloud_start"]), clock(part["cloud"])
    started, inside = clock(part["start"]), clock(part["guest"])
    thread = re.search(r"thread colinuxd (\d+) (\d+)", part["memory"])
    loader = sum(map(int, thread.groups())) * 10
    alone_tsc, alone_kernel = clock(alone)
    login = int(re.search(r"^total (\d+)", login_alone)[1])
    return table(("million instructions", "kernel alone on the emulated PC", "as a guest"), [
        ("power-on, or `colinux run`, to the first process", number(alone_tsc / 1e6), number((inside[0] - started[0]) / 1e6)),
        ("of these by the kernel's own clock", number(alone_kernel / 1e6), number(inside[1] / 1e6)),
        ("of these by colinuxd's main thread (user and system)", "", number(loader)),
        ("Debian's cloud kernel, 256 MiB: `colinux run` to the first process", "", number((cloud[0] - cloud_started[0]) / 1e6)),
        ("of these by the kernel's own clock", "", number(cloud[1] / 1e6)),
        ("Debian 12 to its login prompt, idle time not counted", number(login / 1e6), number(login_count["instructions"] / 1e6))])


def memory(part):
    rss, ram = map(int, re.search(r"daemon_rss (\d+) guest_ram (\d+)", part["memory"]).groups())
    peak = int(re.search(r"VmHWM:\s+(\d+)", part["memory"])[1])
    stats = json.loads(part["stats_after_idle"])
    return table(("KiB beside the guest's RAM", ""), [
        ("driver (frames beyond guest RAM)", number(stats["overhead_bytes"] / 1024)),
        ("colinuxd, resident, without guest RAM", number(rss - ram)),
        ("of these its own, neither files' pages nor shared", number(stats["daemon_bytes"] / 1024)),
        ("colinuxd, highest in its life (while it loads the kernel), guest RAM touched then included", number(peak))])


def idle(part):
    before, after = json.loads(part["stats_before_idle"]), json.loads(part["stats_after_idle"])
    calls = {name: count - before["calls"].get(name, 0) for name, count in after["calls"].items()}
    by_name = ", ".join(f"{count} {name}" for name, count in sorted(calls.items()) if count)
    return f"Idle guest, for 4 s: {after['switches'] - before['switches']} world switches ({by_name}).\n"


def report(made_with, alone, login_alone, output, counts):
    part = parts(output)
    host, guest = rows(part["host"]), rows(part["guest"])
    count = counters(counts)
    of_guest = dict(zip(guest, count[len(host):]))
    of_trips = count[len(host) + len(guest):]
    trips = int(re.search(r"^done (\d+)", part["switch"], re.MULTILINE)[1]) // len(TRIPS)
    dear = [accesses(title, of_trips[i], trips) for i, title in enumerate(TRIPS)]
    dear += [accesses(f"one operation in the guest: {name}", of_guest[name], guest[name][1]) for name, _ in OUTSIDE]
    emulated = host["disk_emulated_read_4k"][1]
    return "\n".join([
        made_with, "",
        "### What does not leave the guest", "", "Instructions per operation, median of nine batches.", "", compare(INSIDE, host, guest),
        "### What leaves the guest", "", compare(OUTSIDE, host, guest),
        f"The lab's own disk (virtio-blk of QEMU, whose back end costs no instruction): {number(dict(zip(host, count))['disk_emulated_read_4k']['instructions'] / emulated)} "
        "instructions per 4K read in the host's kernel and program alone. Not comparable with the rows above.", "",
        "### Boot", "", boot(alone, login_alone, part, of_trips[len(TRIPS)]),
        "### World switch", "", "Per round trip from the guest to the host and back, of a guest without a kernel (`bench/round_trips.c`), and per "
        "operation of the rows above, both worlds together.", "",
        table(("", "instructions", "RDMSR", "WRMSR", "CR reads", "CR writes but CR3", "CR3 writes", "DR accesses", "XGETBV", "XSETBV"), dear),
        "### Memory and idle", "", memory(part), idle(part)])


def write_between_markers(path, text, begin=BEGIN, end=END):
    with open(path) as file:
        before, _, rest = file.read().partition(begin)
    after = rest.partition(end)[2]
    with open(path, "w") as file:
        file.write(f"{before}{begin}\n{text.strip()}\n{end}{after}")
