# SPDX-License-Identifier: GPL-2.0
"""The ELF file inside a Debian vmlinuz, which the lab boots through PVH: half the time of a boot was its decompression.

Documentation/arch/x86/boot.rst: the payload of a bzImage is its compressed vmlinux, followed by the unpacked size in four
bytes. The unpacked file is kept beside the package in the cache; the package's own file never changes.
"""
import lzma
import os
import struct
import subprocess
import tempfile

from failure import LabFailure

SETUP_SECTORS, MAGIC, VERSION, PAYLOAD = 0x1F1, 0x202, 0x206, 0x248  # offsets in the file
FIRST_WITH_PAYLOAD = 0x208  # of the boot protocol


def _payload(path, data):
    if len(data) < 0x250 or data[MAGIC:MAGIC + 4] != b"HdrS" or struct.unpack_from("<H", data, VERSION)[0] < FIRST_WITH_PAYLOAD:
        raise LabFailure(f"{path}: not a bzImage")
    offset, length = struct.unpack_from("<II", data, PAYLOAD)
    begin = ((data[SETUP_SECTORS] or 4) + 1) * 512 + offset
    if length < 8 or begin + length > len(data):
        raise LabFailure(f"{path}: shorter than its header says")
    return data[begin:begin + length]


def _decompress(path, packed):
    if packed.startswith(b"\xfd7zXZ"):
        return lzma.decompress(packed, lzma.FORMAT_XZ)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout
    if packed.startswith(b"\x02\x21\x4c\x18"):  # what lz4 -l writes
        return subprocess.run(["lz4", "-dcq"], input=packed, capture_output=True, check=True).stdout
    raise LabFailure(f"{path}: packed in a way that the lab does not know")


def unpacked(image):
    """Path of the ELF file in the bzImage `image` (vmlinuz-RELEASE): vmlinux-RELEASE beside it, made when it is not there yet."""
    target = os.path.join(os.path.dirname(image), os.path.basename(image).replace("vmlinuz", "vmlinux"))
    if os.path.exists(target):
        return target
    with open(image, "rb") as file:
        payload = _payload(image, file.read())
    try:
        kernel = _decompress(image, payload[:-4])
    except (lzma.LZMAError, subprocess.CalledProcessError, OSError) as error:
        raise LabFailure(f"{image}: cannot unpack it: {error}") from None
    if not kernel.startswith(b"\x7fELF") or len(kernel) != struct.unpack("<I", payload[-4:])[0]:
        raise LabFailure(f"{image}: what was unpacked is damaged")
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(target), delete=False) as out:
        out.write(kernel)
    os.rename(out.name, target)
    return target
