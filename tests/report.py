# SPDX-License-Identifier: GPL-2.0
"""What ./test prints and counts: one line per test with the time since the start, the last lines of the log of each failed
one; at the end where the time went, and the sum. Safe to use from several threads.

A test that failed is run once more. When it passes then it is `flaky`: named at the end, and no failure of the whole, unless
the first failure was of a kind that is never chance (NEVER_CHANCE), or more than FLAKY_ALLOWED were flaky.
"""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time

LOGS = os.path.join("build", "test-logs")
SHOWN_LINES = 60
REASON = re.compile(r"^(FAILED|lab: |colinux: |.*: error: |\./test: )|^guest \S+: |: Failure$|ERROR: \w+Sanitizer|runtime error: ")
REASONS = 8
NEVER_CHANCE = re.compile(r"host died|kernel complained|host complains|frames? (is|are) left|guest is left|not in time: (no_frames|rmmod)|Sanitizer|"
                          r"runtime error: |libFuzzer|did NOT match|registers changed|NMIs were lost|FAILED: payload|"
                          r"^memory_region_ops|exit code 1[0-5] instead of", re.M)  # hardware_trace; a guest that panicked or was killed
FLAKY_ALLOWED = 2
SECONDS_TO_TIDY_UP = 20
LONGEST_SHOWN = 12


def run_to_end(command, timeout, log, running=None, **more):
    """Exit code of `command`, whose output goes to the file `log`; None when it did not end in `timeout` seconds. It is a
    process group of its own, and none of that is left: a forgotten emulator would slow the next test into failure.
    `running`: a set that holds the process while it runs."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **more)
    running = set() if running is None else running
    running.add(process)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        running.discard(process)
        _end_group(process)


def _end_group(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        if number == signal.SIGTERM and process.poll() is None:
            try:
                process.wait(SECONDS_TO_TIDY_UP)
            except subprocess.TimeoutExpired:
                pass
    process.wait()


class Report:
    def __init__(self, name_filter):
        self.name_filter = name_filter
        self.started = time.monotonic()
        self.passed = 0
        self.failed = []  # (name, log or None)
        self.flaky = []   # (name, log of the first try)
        self.seconds = {}  # of each test and build that was timed
        self.lock = threading.Lock()
        self.built = {}
        self.stopping = False  # after Ctrl-C nothing begins any more
        self.running = set()   # processes, each the first of its group
        os.makedirs(LOGS, exist_ok=True)

    def wants(self, name):
        return self.name_filter in name

    def say(self, text):
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def log_path(self, name):
        return os.path.join(LOGS, re.sub(r"[^\w.+-]", "_", name) + ".log")

    def result(self, name, ok, seconds=None, log=None):
        with self.lock:
            if ok:
                self.passed += 1
            else:
                self.failed.append((name, log))
            if seconds is not None:
                self.seconds[name] = seconds
            self.say(f"{'passed' if ok else 'FAILED'}  {name}" + (f"  ({seconds:.1f} s)" if seconds is not None else ""))
            if not ok and log:
                self._show_end(log)

    def _show_end(self, log):
        with open(log, errors="replace") as file:
            for text in file.read().splitlines()[-SHOWN_LINES:]:
                print("    " + text[:400])
        print(f"    log: {log}", flush=True)

    def is_chance(self, log):
        """May the failure that `log` tells of have been chance? Never a dead host, a leak, a sanitizer's word, wrong data."""
        with open(log, errors="replace") as file:
            return not NEVER_CHANCE.search(file.read())

    def note_flaky(self, name, log):
        with self.lock:
            self.flaky.append((name, log))
            self.say(f"FAILED  {name}: once; it is run again")
            self._show_end(log)

    def run(self, name, command, timeout, again=True, **more):
        """Runs one test as processes of its own; exit code 0 is a pass. `again`: once more when it failed by what may be
        chance. Returns whether it passed."""
        if self.stopping:
            return False
        began, log = time.monotonic(), self.log_path(name)
        ok = self._try_once(command, timeout, log, **more)
        if not ok and again and not self.stopping and self.is_chance(log):
            first = log.removesuffix(".log") + ".first.log"
            os.replace(log, first)
            self.note_flaky(name, first)
            ok = self._try_once(command, timeout, log, **more)
            if not ok:  # no chance then
                with self.lock:
                    self.flaky.remove((name, first))
        if not self.stopping:
            self.result(name, ok, time.monotonic() - began, log)
        return ok

    def _try_once(self, command, timeout, log, **more):
        with open(log, "w") as file:
            try:
                code = run_to_end(command, timeout, file, self.running, **more)
            except OSError as error:
                file.write(f"{error}\n")
                return False
        if self.stopping:
            return False
        if code is None:
            with open(log, "a") as file:
                file.write(f"\n./test: no end after {timeout} s\n")
        return code == 0

    def build(self, name, *commands):
        """Runs build commands once per ./test; a failure counts as a failed test `build NAME`."""
        if name not in self.built:
            began, log = time.monotonic(), self.log_path("build-" + name)
            self.say(f"building {name}")
            with open(log, "w") as file:
                self.built[name] = all(subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT).returncode == 0
                                       for command in commands)
            self.seconds["build " + name] = time.monotonic() - began
            if not self.built[name]:
                self.result("build " + name, False, time.monotonic() - began, log)
        return self.built[name]

    def stop(self):
        """After Ctrl-C: ends what runs. Its threads tidy up."""
        self.stopping = True
        for process in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def interrupted(self):
        self.result("everything before Ctrl-C", False)

    def conclude(self):
        self._show_times()
        for name, log in self.flaky:
            self._show_reason("flaky", name, log)
        if len(self.flaky) > FLAKY_ALLOWED:
            self.failed.append((f"no more than {FLAKY_ALLOWED} flaky tests", None))
        for name, log in self.failed:
            self._show_reason("failed", name, log)
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 0 if self.passed and not self.failed else 1

    def _show_times(self):
        print(f"[{time.monotonic() - self.started:5.0f} s] the end; where the time went, in seconds of two at a time:")
        groups = {}
        for name, seconds in self.seconds.items():
            groups[name.split()[0]] = groups.get(name.split()[0], 0) + seconds
        print("    " + ", ".join(f"{group} {seconds:.0f}" for group, seconds in groups.items()))
        longest = sorted(self.seconds, key=self.seconds.get, reverse=True)[:LONGEST_SHOWN]
        print("    longest: " + ", ".join(f"{name} {self.seconds[name]:.0f}" for name in longest))

    def _show_reason(self, word, name, log):
        """What a test's log says of the failure, again: of a long run only the end is read."""
        print(f"{word}: {name}")
        if log:
            with open(log, errors="replace") as file:
                for text in [text for text in file.read().splitlines() if REASON.search(text)][-REASONS:]:
                    print("    " + text[:200])
