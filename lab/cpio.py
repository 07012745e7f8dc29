# SPDX-License-Identifier: GPL-2.0
"""Writes initramfs archives (cpio "newc", uncompressed, which the kernel unpacks fastest).

Archives may be joined end to end: each is padded to 512 bytes, the kernel unpacks them in order and a
later file replaces an earlier one of the same name. Everything belongs to root. No device nodes:
the lab's /dev is devtmpfs.
"""
import os
import stat


class Archive:
    """`stream` is a binary file opened for writing; call close() at the end (the stream stays open)."""

    def __init__(self, stream):
        self.stream = stream
        self.known = {""}  # directories written so far, as the kernel does not make missing parents
        self.inode = 0
        self.start = stream.tell()

    def _entry(self, name, mode, size=0):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(encoded), 0)
        self.stream.write(b"070701" + b"".join(b"%08x" % field for field in fields) + encoded)
        self._pad(4)

    def _pad(self, alignment):
        self.stream.write(b"\0" * (-(self.stream.tell() - self.start) % alignment))

    def directory(self, name, mode=0o755):
        name = name.strip("/")
        if name in self.known:
            return
        self.directory(os.path.dirname(name))
        self.known.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name, content, mode=0o644):
        self.directory(os.path.dirname(name.strip("/")))
        self._entry(name.strip("/"), stat.S_IFREG | mode, len(content))
        self.stream.write(content)
        self._pad(4)

    def symlink(self, name, target):
        self.directory(os.path.dirname(name.strip("/")))
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, len(target.encode()))
        self.stream.write(target.encode())
        self._pad(4)

    def tree(self, source, name):
        """Adds the file or directory `source` of this machine as `name`. Symlinks stay symlinks below it."""
        if os.path.isdir(source):
            self.directory(name, stat.S_IMODE(os.stat(source).st_mode))
            for child in sorted(os.listdir(source)):
                path = os.path.join(source, child)
                if os.path.islink(path):
                    self.symlink(f"{name}/{child}", os.readlink(path))
                elif os.path.isdir(path) or os.path.isfile(path):
                    self.tree(path, f"{name}/{child}")
        else:
            with open(source, "rb") as file:
                self.file(name, file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self._pad(512)
