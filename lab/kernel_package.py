# SPDX-License-Identifier: GPL-2.0
"""Gets Debian's kernel packages, byte for byte, and unpacks them into a cache outside the tree.

The cache, ${COLINUX_CACHE:-~/.cache/colinux}/kernel/PACKAGE_VERSION, is keyed by name and version, so
an update of Debian's makes a new entry and never changes an old one. Used by the lab for its host and
by tools/fetch-kernel for guests.
"""
import os
import re
import shutil
import subprocess
import tempfile

from failure import LabFailure

METAPACKAGES = {
    "6.1": "linux-image-amd64",
    "6.1-cloud": "linux-image-cloud-amd64",
    "6.1-rt": "linux-image-rt-amd64",
    "6.12": "linux-image-6.12-amd64",
    "6.12-cloud": "linux-image-6.12-cloud-amd64",
}


def cache_directory(*parts):
    root = os.environ.get("COLINUX_CACHE") or os.path.expanduser("~/.cache/colinux")
    path = os.path.join(root, *parts)
    os.makedirs(path, exist_ok=True)
    return path


class KernelPackage:
    def __init__(self, package, directory):
        self.package = package
        self.directory = directory  # an unpacked package: boot/, lib/modules/
        self.release = os.listdir(os.path.join(directory, "lib/modules"))[0]
        self.image = os.path.join(directory, "boot", "vmlinuz-" + self.release)
        self.modules = os.path.join(directory, "lib/modules", self.release)
        self.key = os.path.basename(directory)


def _apt(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise LabFailure(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}; try tools/setup")
    return done.stdout


def resolve(version):
    """(package, version) that Debian's metapackage stands for now. Asking apt takes half a second, so
    the answer is kept as long as apt's lists do not change."""
    note = os.path.join(cache_directory("kernel"), version + ".resolved")
    lists = "/var/lib/apt/lists"
    stamp = str(os.stat(lists).st_mtime_ns) if os.path.isdir(lists) else "0"
    if os.path.exists(note):
        with open(note) as file:
            fields = file.read().split()
        if len(fields) == 3 and fields[0] == stamp:
            return fields[1], fields[2]
    depends = _apt("apt-cache", "depends", METAPACKAGES[version])
    package = re.search(r"Depends: (linux-image-[0-9]\S+)", depends)
    if not package:
        raise LabFailure(f"apt knows no kernel behind {METAPACKAGES[version]}; try tools/setup")
    candidate = re.search(r"Candidate: (\S+)", _apt("apt-cache", "policy", package[1]))
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(note), delete=False) as file:
        file.write(f"{stamp} {package[1]} {candidate[1]}\n")
    os.rename(file.name, note)
    return package[1], candidate[1]


def fetch(version):
    """The KernelPackage for a key of METAPACKAGES, downloaded when it is not in the cache."""
    package, candidate = resolve(version)
    kernels = cache_directory("kernel")
    directory = os.path.join(kernels, f"{package}_{candidate.replace(':', '%3a')}")
    if not os.path.isdir(directory):
        work = tempfile.mkdtemp(dir=kernels)
        try:
            os.chmod(work, 0o755)
            _apt("sh", "-c", f"cd {work} && apt-get -q download {package}={candidate} && dpkg-deb -x *.deb . && rm *.deb")
            try:
                os.rename(work, directory)
            except OSError:  # another instance was faster
                if not os.path.isdir(directory):
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return KernelPackage(package, directory)
