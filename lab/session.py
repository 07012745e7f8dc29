# SPDX-License-Identifier: GPL-2.0
"""One run of the lab, from the first process to the verdict.

QEMU connects to one unix socket per channel (machine.CHANNELS). A thread per channel carries bytes;
the main thread waits for QEMU's end or the deadline. QEMU always dies with us: by the kernel when we
are killed, by its process id in every other case.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time

from failure import LabFailure
from machine import CHANNELS, MONITOR
from terminal import Escape, Raw, read_typed, size

TIMEOUT = 124
LAB_FAILURE = 125
LAST_CONSOLE_LINES = 30
LEFT = 130  # the user went away: Ctrl-A x, or a closed pipe behind us


def _prepare_process():
    libc = ctypes.CDLL(None)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: die with the parent
    libc.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a lab ends before huge pages pay for being zeroed


class Session:
    def __init__(self, options, run, line, tty):
        self.options, self.run, self.line, self.tty = options, run, line, tty
        self.sockets, self.threads = {}, []
        self.process = None
        self.exit_code = None   # COMMAND's, when it said so
        self.received = set()   # --get paths that arrived
        self.left = False
        self.raw = Raw()

    def __enter__(self):
        self.listeners = {}
        for name in (*CHANNELS, MONITOR) + (("tty",) if self.tty else ()):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(os.path.join(self.run, name))
            listener.listen(1)
            self.listeners[name] = listener
        self.errors = open(os.path.join(self.run, "qemu.err"), "w+")
        self.process = subprocess.Popen(self.line, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                        start_new_session=True, preexec_fn=_prepare_process)
        return self

    def __exit__(self, *_):
        self.raw.stop()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _accept(self, deadline):
        for name, listener in self.listeners.items():
            listener.settimeout(0.1)
            while name not in self.sockets:
                try:
                    self.sockets[name], _ = listener.accept()
                    self.sockets[name].setblocking(True)
                except TimeoutError:
                    if self.process.poll() is not None:
                        self.errors.seek(0)
                        raise LabFailure("qemu: " + (self.errors.read().strip().splitlines() or ["ended at once"])[-1]) from None
                    if time.monotonic() > deadline:
                        raise LabFailure("qemu does not connect") from None
            listener.close()

    def _start(self, function, *arguments, wait=True):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        if wait:
            self.threads.append(thread)

    def _control(self):
        for text in self.sockets["control"].makefile("r", errors="replace"):
            if text.startswith("exit "):
                self.exit_code = int(text.split()[1])
            elif text.startswith("monitor "):
                self.sockets[MONITOR].sendall(text.removeprefix("monitor ").encode())
            elif text.strip() == "ready" and self.tty:
                self.raw.start()
                self.send_size()

    def _monitor(self):
        """What QEMU answers, to a log; it must be read, or QEMU waits."""
        with open(os.path.join(self.run, "monitor.log"), "wb") as log:
            try:
                while data := self.sockets[MONITOR].recv(65536):
                    log.write(data)
                    log.flush()
            except OSError:
                pass

    def _say_where_it_stands(self):
        """For a lab that hangs: where each CPU is, in the test's own log; all registers go to monitor.log."""
        try:
            for _ in range(2):  # one that spins shows it
                self.sockets[MONITOR].sendall(b"info registers -a\n")
                time.sleep(0.5)
        except OSError:
            return  # it has just ended
        with open(os.path.join(self.run, "monitor.log"), errors="replace") as file:
            for text in re.findall(r"CPU#\d+|RIP=.*|CR0=.*", file.read()):
                print(f"lab: {text.strip()}", file=sys.stderr)
        with open(os.path.join(self.run, "console.log"), errors="replace") as file:
            for text in file.read().splitlines()[-LAST_CONSOLE_LINES:]:
                print(f"lab: console: {text}", file=sys.stderr)

    def send_size(self, *_):
        try:
            self.sockets["control"].sendall("size {} {}\n".format(*size()).encode())
        except OSError:
            pass  # the lab has ended, nobody wants to know

    def _output(self, name, descriptor):
        try:
            while data := self.sockets[name].recv(65536):
                while data:
                    data = data[os.write(descriptor, data):]
        except BrokenPipeError:  # `lab run ... | head`
            self._leave()
        except OSError:
            pass

    def _leave(self):
        self.left = True
        self.process.kill()

    def _input(self):
        channel = self.sockets["stdin"]
        try:
            while data := os.read(0, 65536):
                channel.sendall(data)
            channel.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # COMMAND did not want it, or there is no stdin

    def _keyboard(self):
        escape = Escape()
        while typed := read_typed():
            data, leave = escape.filter(typed)
            self.sockets["tty"].sendall(data)
            if leave:
                self._leave()

    def _get(self):
        try:
            with self.sockets["get"].makefile("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    self._get_member(archive, member)
        except tarfile.ReadError:
            pass  # nothing came; verdict() names what is missing
        try:
            self.sockets["get"].sendall(b"\n")  # all has been read: init may power off
        except OSError:
            pass  # it is gone already

    def _get_member(self, archive, member):
        path = "/" + member.name.strip("/")
        for remote, local in self.options.get:
            if path == remote or path.startswith(remote + "/"):
                target = os.path.normpath(os.path.join(local, os.path.relpath(path, remote)))
                if member.isdir():
                    os.makedirs(target, exist_ok=True)
                elif member.isfile():
                    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
                    with open(target, "wb") as file:
                        shutil.copyfileobj(archive.extractfile(member), file)
                    os.chmod(target, member.mode & 0o777)
                self.received.add(remote)
                return

    def wait(self):
        """Carries everything until QEMU ends; returns the lab's exit code or raises LabFailure."""
        deadline = time.monotonic() + self.options.timeout if self.options.timeout else float("inf")
        self._accept(min(deadline, time.monotonic() + 300))
        self._start(self._control)
        self._start(self._monitor)
        self._start(self._output, "stdout", 1)
        self._start(self._output, "stderr", 2)
        self._start(self._get)
        if self.tty:
            signal.signal(signal.SIGWINCH, self.send_size)
            self._start(self._output, "tty", 1)
            self._start(self._keyboard, wait=False)
        else:
            self._start(self._input, wait=False)
        try:
            self.process.wait(None if deadline == float("inf") else max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.raw.stop()
            print(f"lab: timeout after {self.options.timeout:g} s", file=sys.stderr)
            self._say_where_it_stands()
            return TIMEOUT
        for thread in self.threads:
            thread.join()
        self.raw.stop()
        return self.verdict()

    def verdict(self):
        if self.left:
            return LEFT
        if self.exit_code is None:
            raise LabFailure(self.cause_of_death())
        missing = [remote for remote, _ in self.options.get if remote not in self.received]
        if missing and self.exit_code == 0:
            raise LabFailure(f"--get {missing[0]}: COMMAND left no such file")
        return self.exit_code

    def cause_of_death(self):
        with open(os.path.join(self.run, "console.log"), errors="replace") as file:
            log = file.read()
        for pattern in (r"lab: init: .*", r"Kernel panic - not syncing: .*", r"(BUG|Oops|general protection fault)[: ].*", r"double fault.*"):
            if found := re.search(pattern, log):
                text = re.sub(r"\s+", " ", found[0])
                return text.removeprefix("lab: ") if text.startswith("lab: init") else f"host died: {text}"
        self.errors.seek(0)
        said = self.errors.read().strip()
        if self.process.returncode < 0:
            return f"qemu ended by signal {-self.process.returncode}"
        if self.process.returncode > 0:
            return f"qemu: {(said.splitlines() or ['no message'])[-1]}"
        debug = self.options.debug_log or os.path.join(self.run, "qemu.log")
        if os.path.exists(debug):
            with open(debug, errors="replace") as file:
                if any("Triple fault" in text for text in file):
                    return "host died: triple fault"
        return "host died: reset or power-off without a message"
