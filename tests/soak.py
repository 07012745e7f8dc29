# SPDX-License-Identifier: GPL-2.0
"""`./test soak`: every test again and again, in random order, labs with random CPU models, both CPUs kept busy meanwhile. What
depends on an order, a CPU model or luck shows here. Nothing is run again: each failure is one."""
import contextlib
import functools
import os
import random
import subprocess
import time

import groups

MINUTES = 60
CPU_MODELS = ("the default CPU", "max", "max,-la57", "Skylake-Client", "Haswell", "EPYC", "qemu64")
SPIN = "while kill -0 $0; do n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); done; done 2>/dev/null"  # until we are gone
FUZZ_SECONDS = 60


@contextlib.contextmanager
def busy_cpus():
    """One process per CPU that spins."""
    spinning = [subprocess.Popen(["sh", "-c", SPIN, str(os.getpid())], stdin=subprocess.DEVNULL) for _ in range(os.cpu_count())]
    try:
        yield spinning
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def lab_runs(report, scripts, dice, number):
    """(name, function that runs and reports it) of each lab test: round `number`, each with a CPU model that the dice chose."""
    for name, path in scripts.items():
        model = dice.choice(CPU_MODELS)
        environment = {"SEED": str(dice.randrange(1, 2**31))} | ({} if model == CPU_MODELS[0] else {"COLINUX_LAB_CPU": model})
        yield f"{name}, round {number}, {model}", functools.partial(groups.run_script, report, path=path, environment=environment, again=False)


def fuzz_runs(report, dice, number):
    for target in groups.fuzz_targets(report):
        options = [f"-max_total_time={FUZZ_SECONDS}", f"-seed={dice.randrange(1, 2**31)}"]
        name = f"fuzz {os.path.basename(target)}, round {number}, {options[1]}"
        yield name, functools.partial(report.run, command=groups.fuzz_command(target, options), timeout=groups.FUZZ_TIMEOUT, again=False)


def soak(report, minutes, seed):
    """Runs rounds until `minutes` are over; what has begun then is run to its end."""
    dice = random.Random(seed)
    report.say(f"soak: {minutes} minutes, seed {seed}")
    scripts = groups.lab_scripts(report)
    if not groups.build_tests(report) or not groups.prepare_lab(report, scripts):
        return
    until, number = time.monotonic() + minutes * 60, 0

    def begin(name, run):
        if time.monotonic() < until:
            run(name=name)

    with busy_cpus():
        while time.monotonic() < until:
            number += 1
            groups.unit_once(report, ["--schedule-random"], f", round {number}")
            runs = [*lab_runs(report, scripts, dice, number), *fuzz_runs(report, dice, number)]
            dice.shuffle(runs)
            groups.two_at_a_time(report, [functools.partial(begin, name, run) for name, run in runs])
