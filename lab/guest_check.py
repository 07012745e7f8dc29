# SPDX-License-Identifier: GPL-2.0
"""`./try --check`: sits at the guest's login prompt in place of a person, through a terminal of its own, so that the way
of every key is the one that a person's takes: lab, console command, daemon, graft, getty."""
import fcntl
import hashlib
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PROMPT = "colinux-check> "
PATIENCE = 600  # seconds for each answer: a net below a guest that stands still


class Terminal:
    """A command on a pseudo terminal, all its output in `log`. RuntimeError when what is awaited does not come."""

    def __init__(self, command, log):
        self.log_name, self.log = log, open(log, "wb")
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 132, 0, 0))
        self.text = ""

    def _read(self, deadline):
        if not select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # the command has ended
            data = b""
        self.log.write(data)
        self.log.flush()
        # escape sequences go, also one that came in two halves
        self.text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text + data.decode(errors="replace")).replace("\r", "")
        return bool(data)

    def await_text(self, pattern, seconds, what):
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            if not self._read(deadline):
                last = self.text.strip().splitlines()[-1:] or ["nothing"]
                raise RuntimeError(f"no {what}; last line: {last[0]}; log: {self.log_name}")
        before, self.text = self.text[:found.start()], self.text[found.end():]
        return before

    def type(self, line):
        os.write(self.descriptor, line.encode() + b"\n")

    def ask(self, command, seconds=PATIENCE):
        """What `command` prints in the guest."""
        self.type(command)
        self.await_text(r"\n", seconds, f"echo of {command!r}")
        return self.await_text(re.escape(PROMPT), seconds, f"answer to {command!r}").strip()

    def close(self):
        """Exit code of the command, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def expect(what, got, wanted):
    if got != wanted:
        raise RuntimeError(f"{what} is {got!r} instead of {wanted!r}")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def look_around(terminal, options, boot):
    """Questions to the logged-in guest; each answer is printed, most are compared."""
    with open(os.path.join(boot, "release")) as file:
        release = file.read().strip()
    uname = terminal.ask("uname -a")
    print(uname)
    if release not in uname.split():
        raise RuntimeError(f"the guest runs another kernel than {release}: {uname}")
    print(terminal.ask(f"dpkg-query -W linux-image-{release}"))
    checksum = terminal.ask(f"sha256sum /boot/vmlinuz-{release}")
    print(checksum)
    expect("checksum of the kernel that was booted", sha256(os.path.join(boot, "vmlinuz")), checksum.split()[0])
    system = terminal.ask("cat /etc/os-release")
    print(system)
    if 'VERSION_ID="12"' not in system:
        raise RuntimeError("the guest is not Debian 12")
    root = terminal.ask("findmnt -n -o SOURCE /")
    print(f"root device: {root}")
    expect("root device", root, "/dev/vda")
    print(terminal.ask("grep MemTotal /proc/meminfo"))
    cpus = terminal.ask("nproc")
    print(f"CPUs: {cpus}")
    expect("number of CPUs", cpus, str(options.cpus))
    page = terminal.ask("wget -q -T 300 -O - http://10.0.2.2/")
    print(f"HTTP: {page}")
    expect("page fetched through conet", page, "served by the lab host")


def check(command, options, image, log):
    """`command` boots the lab and, in it, the guest of `image`. RuntimeError says what is wrong, in one line."""
    terminal = Terminal(command, log)
    began = time.monotonic()
    terminal.await_text(r"login: ", PATIENCE, "login prompt")
    print(f"login prompt after {time.monotonic() - began:.0f} s", flush=True)
    terminal.type("root")
    terminal.await_text(r"# ", PATIENCE, "shell after the login")
    terminal.type(f"stty -echo; bind 'set enable-bracketed-paste off' 2>/dev/null; stty echo cols 500; PS1='{PROMPT[:-2]}''> '")
    terminal.await_text("\n" + re.escape(PROMPT), PATIENCE, "shell prompt")
    look_around(terminal, options, image + ".boot")
    sys.stdout.flush()
    terminal.type("poweroff")
    terminal.await_text(r"host alive", PATIENCE, "living host behind the guest's end")
    print("host alive")
    if code := terminal.close():
        raise RuntimeError(f"the lab ended with exit code {code}; log: {log}")
