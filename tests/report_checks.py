# SPDX-License-Identifier: GPL-2.0
"""Checks of ./test itself. Each returns a list of complaints, as those of style_checks do."""
import contextlib
import io
import os
import tempfile
import threading
import time

import report

FAILS_ONCE = 'test -e "$0" || { touch "$0"; echo "FAILED: not in time: login"; exit 1; }'
SAYS_ONCE = 'test -e "$0" || { touch "$0"; echo "$1"; exit 1; }'
NO_CHANCE = ("FAILED: not in time: no_frames", "lab: host died: triple fault", "FAILED: payload registers 10000", "memory_region_ops_write 0x70",
             "FAILED: exit code 12 instead of 0: colinux run", "ERROR: AddressSanitizer: heap-use-after-free")


@contextlib.contextmanager
def _scratch():
    """A folder, and a Report that prints nothing, runs there and keeps its logs there."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        logs, report.LOGS = report.LOGS, folder
        try:
            yield folder, report.Report(""), said
        finally:
            report.LOGS = logs


def _expect(what, got, wanted):
    return [] if got == wanted else [f"{what}: {got!r} instead of {wanted!r}"]


def nothing_of_a_test_is_left():
    """Bug: a test that ran out of time left its emulator running, and the next one was too slow."""
    with tempfile.NamedTemporaryFile("w+") as log:
        code = report.run_to_end(["sh", "-c", "sleep 600 & echo $!; wait"], 1, log)
        log.seek(0)
        child = int(log.read())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{child}/stat") as file:
            if file.read().split()[2] == "Z":
                break
        time.sleep(0.05)
    else:
        if os.path.exists(f"/proc/{child}"):
            return ["a child of a test that was ended is still there"]
    return _expect("exit code of what had no end", code, None)


def ctrl_c_ends_what_runs():
    with _scratch() as (_, tests, _):
        thread = threading.Thread(target=tests.run, args=("test", ["sleep", "600"], 600))
        thread.start()
        while not tests.running:
            time.sleep(0.01)
        tests.stop()
        thread.join(60)
        return _expect("still runs", thread.is_alive(), False) + _expect("passed", tests.passed, 0)


def what_passes_the_second_time_is_flaky():
    with _scratch() as (folder, tests, said):
        for number in range(report.FLAKY_ALLOWED + 1):
            tests.run(f"test {number}", ["sh", "-c", FAILS_ONCE, f"{folder}/{number}"], 60)
            codes = tests.conclude()
            if number == 0:
                found = _expect("exit code with one flaky test", codes, 0) + _expect("flaky", [name for name, _ in tests.flaky], ["test 0"])
                found += _expect("is named at the end", "flaky: test 0" in said.getvalue(), True)
        return found + _expect("exit code with too many flaky tests", codes, 1)


def what_is_never_chance_has_failed():
    found = []
    for text in NO_CHANCE:
        with _scratch() as (folder, tests, _):
            tests.run("test", ["sh", "-c", SAYS_ONCE, f"{folder}/mark", text], 60)
            found += _expect(f"exit code after '{text}'", tests.conclude(), 1) + _expect("flaky", tests.flaky, [])
    return found


def what_fails_twice_has_failed():
    with _scratch() as (_, tests, _):
        tests.run("test", ["false"], 60)
        return _expect("exit code", tests.conclude(), 1) + _expect("failed", [name for name, _ in tests.failed], ["test"])


CHECKS = {"nothing-is-left": nothing_of_a_test_is_left, "ctrl-c": ctrl_c_ends_what_runs,
          "flaky": what_passes_the_second_time_is_flaky, "never-chance": what_is_never_chance_has_failed, "fails-twice": what_fails_twice_has_failed}
