# SPDX-License-Identifier: GPL-2.0
"""What ./test prints and counts: one line per test with the time since the start, the last lines of the log of
each failed one, and the sum. Safe to use from several threads."""
import os
import re
import subprocess
import threading
import time

LOGS = os.path.join("build", "test-logs")
SHOWN_LINES = 20


class Report:
    def __init__(self, name_filter):
        self.name_filter = name_filter
        self.started = time.monotonic()
        self.passed = self.failed = 0
        self.lock = threading.Lock()
        self.built = {}
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
                self.failed += 1
            self.say(f"{'passed' if ok else 'FAILED'}  {name}" + (f"  ({seconds:.1f} s)" if seconds is not None else ""))
            if not ok and log:
                with open(log, errors="replace") as file:
                    for text in file.read().splitlines()[-SHOWN_LINES:]:
                        print("    " + text)
                print(f"    log: {log}", flush=True)

    def run(self, name, command, timeout, **more):
        """Runs one test as a process of its own; exit code 0 is a pass. Returns whether it was one."""
        began, log = time.monotonic(), self.log_path(name)
        with open(log, "w") as file:
            try:
                ok = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, timeout=timeout, **more).returncode == 0
            except subprocess.TimeoutExpired:
                file.write(f"\n./test: no end after {timeout} s\n")
                ok = False
            except OSError as error:
                file.write(f"{error}\n")
                ok = False
        self.result(name, ok, time.monotonic() - began, log)
        return ok

    def build(self, name, *commands):
        """Runs build commands once per ./test; a failure counts as a failed test `build NAME`."""
        if name not in self.built:
            began, log = time.monotonic(), self.log_path("build-" + name)
            self.say(f"building {name}")
            with open(log, "w") as file:
                self.built[name] = all(subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT).returncode == 0
                                       for command in commands)
            if not self.built[name]:
                self.result("build " + name, False, time.monotonic() - began, log)
        return self.built[name]

    def interrupted(self):
        self.result("everything before Ctrl-C", False)

    def conclude(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.passed and not self.failed else 1
