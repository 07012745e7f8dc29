# SPDX-License-Identifier: GPL-2.0
"""The user's terminal while a lab command owns it: raw, its size known, one way out (Ctrl-A x)."""
import fcntl
import os
import struct
import sys
import termios
import tty


def size():
    """(rows, columns)"""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8))
    return (rows or 24, columns or 80)


class Raw:
    """Raw from start() to stop(); both may be called when there is nothing to do."""

    def __init__(self):
        self.saved = None

    def start(self):
        if self.saved is None:
            self.saved = termios.tcgetattr(0)
            tty.setraw(0)

    def stop(self):
        if self.saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)
            self.saved = None


class Escape:
    """Finds Ctrl-A x (leave) in typed bytes; Ctrl-A Ctrl-A is one Ctrl-A."""

    def __init__(self):
        self.armed = False

    def filter(self, typed):
        """(bytes to pass on, whether to leave)"""
        passed = bytearray()
        for byte in typed:
            if self.armed:
                self.armed = False
                if byte in b"xX":
                    return bytes(passed), True
                passed += b"\x01" if byte == 1 else b"\x01" + bytes([byte])
            elif byte == 1:
                self.armed = True
            else:
                passed.append(byte)
        return bytes(passed), False


def read_typed():
    return os.read(0, 65536)
