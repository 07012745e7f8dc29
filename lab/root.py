# SPDX-License-Identifier: GPL-2.0
"""The userland of the lab's host: an initramfs of three archives, joined for each run.

  base     busybox and the kernel's own modules; made once per kernel and list below (cache)
  project  what is built in this tree: install tree with its libraries, driver, grafts (build/lab)
  run      /lab: COMMAND, settings, small --put files; made for each run
"""
import contextlib
import glob
import hashlib
import lzma
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time

from cpio import Archive
from failure import LabFailure
from kernel_package import cache_directory

LAB = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(LAB)
BUSYBOX = "/bin/busybox"

# init loads the first line; the rest is there for modprobe and for the kernel's own requests
MODULES = """
virtio_pci virtio_console virtio_blk virtio_rng
virtio_net ext4 overlay loop tun bridge veth fuse msr cpuid nbd vhost_net vhost_vsock button crc32c_generic crc32c_intel
kvm kvm_intel kvm_amd squashfs 9p 9pnet_virtio 9pnet_fd vmw_vsock_virtio_transport
""".split()
MODULES_ON_CD = "msr cpuid kvm_intel kvm_amd".split()  # for Bochs, where each megabyte takes a second


def _closure(package, names):
    """Paths below the module directory of `names` and all that they need; built-in ones have none."""
    needs, place = {}, {}
    listing = subprocess.run(["find", package.modules + "/kernel", "-name", "*.ko*"],
                             capture_output=True, text=True, check=True).stdout
    for path in listing.split():
        place[re.sub(r"\.ko.*", "", os.path.basename(path)).replace("-", "_")] = path
    wanted, queue = [], [name for name in names if name in place]
    while queue:
        name = queue.pop()
        if name not in needs:
            wanted.append(place[name])
            fields = subprocess.run(["modinfo", "-F", "depends", place[name]],
                                    capture_output=True, text=True, check=True).stdout.strip()
            needs[name] = [need.replace("-", "_") for need in fields.split(",") if need]
            queue += [need for need in needs[name] if need in place]
    return wanted


def _base(package, module_names):
    """Path of the base archive. Modules are stored uncompressed (their signatures stay) for busybox."""
    with open(os.path.join(LAB, "root.py"), "rb") as recipe, open(BUSYBOX, "rb") as busybox:
        digest = hashlib.sha256(recipe.read() + busybox.read() + repr(module_names).encode()).hexdigest()[:16]
    path = os.path.join(cache_directory("lab"), f"base-{package.key}-{digest}.cpio")
    if os.path.exists(path):
        return path
    with tempfile.TemporaryDirectory() as stage, tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as out:
        modules = f"{stage}/lib/modules/{package.release}"
        for source in _closure(package, module_names):
            target = os.path.join(modules, os.path.relpath(source, package.modules))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if source.endswith(".xz"):
                with lzma.open(source) as packed, open(target.removesuffix(".xz"), "wb") as plain:
                    shutil.copyfileobj(packed, plain)
            else:
                shutil.copy(source, target)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            if os.path.exists(f"{package.modules}/{name}"):
                shutil.copy(f"{package.modules}/{name}", modules)
        subprocess.run(["depmod", "-b", stage, package.release], check=True)
        archive = Archive(out)
        for name in ("proc", "sys", "dev", "root", "mnt", "etc", "tmp", "run", "var/cache", "var/log"):
            archive.directory(name)
        archive.tree(BUSYBOX, "bin/busybox")
        applets = subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
        for applet in applets:
            if applet != "bin/busybox":
                archive.symlink(applet, "/bin/busybox")
        archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
        archive.file("etc/group", b"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
        archive.file("etc/hosts", b"127.0.0.1 localhost lab\n")
        archive.file("etc/os-release", f'PRETTY_NAME="coLinux lab, {package.key}"\n'.encode())
        archive.tree(modules, f"lib/modules/{package.release}")
        archive.close()
    os.rename(out.name, path)
    return path


def _libraries(program):
    """Shared libraries and the loader that `program` needs, as absolute paths; none when it is static."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    if "not found" in done.stdout:
        raise LabFailure(f"{program}: " + next(line.strip() for line in done.stdout.splitlines() if "not found" in line))
    return re.findall(r"(/\S+) \(0x", done.stdout) if done.returncode == 0 else []


def _is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _project_inputs(package, releases):
    driver = f"{TREE}/build/driver/{package.release}/colinux.ko"
    binaries = [path for path in glob.glob(f"{TREE}/build/release/**", recursive=True)
                if os.path.isfile(path) and os.access(path, os.X_OK) and "CMakeFiles" not in path]
    if not os.path.exists(f"{TREE}/build/release/cli/colinux"):
        binaries = []  # nothing to install yet
    scripts = f"{TREE}/build/release/cmake_install.cmake"
    grafts = [path for path in glob.glob(f"{TREE}/build/grafts/**", recursive=True) if os.path.isfile(path)]
    if releases is not None:
        grafts = [path for path in grafts if path.endswith("/graft.o") and os.path.basename(os.path.dirname(path)) in releases]
        binaries = binaries if releases else []
    return driver, [path for path in (scripts, *sorted(binaries)) if binaries], sorted(grafts)


def _project(package, releases=None):
    """Path of the project archive. `releases`: of guests' kernels, whose grafts alone it has; programs, too, when there are any. Kept in build/lab under a name that says what went into it."""
    driver, binaries, grafts = _project_inputs(package, releases)
    inputs = [path for path in (driver, *binaries, *grafts) if os.path.exists(path)]
    facts = [(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in inputs]
    with open(os.path.join(LAB, "root.py"), "rb") as recipe:
        digest = hashlib.sha256(recipe.read() + repr(facts).encode()).hexdigest()[:16]
    folder = os.path.join(TREE, "build", "lab")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"project-{package.release}-{digest}.cpio")
    if os.path.exists(path):
        os.utime(path)
        return path
    with tempfile.TemporaryDirectory() as stage, tempfile.NamedTemporaryFile(dir=folder, delete=False) as out:
        archive = Archive(out)
        if binaries:
            done = subprocess.run(["cmake", "--install", f"{TREE}/build/release", "--prefix", "/usr", "--strip"],
                                  env={**os.environ, "DESTDIR": stage}, capture_output=True, text=True)
            if done.returncode:
                os.unlink(out.name)
                raise LabFailure(f"cmake --install build/release: {done.stderr.strip().splitlines()[-1]}; build it whole")
            libraries = set()
            for folder_name, _, names in os.walk(stage):
                for name in names:
                    if _is_elf(os.path.join(folder_name, name)):
                        libraries.update(_libraries(os.path.join(folder_name, name)))
            for name in sorted(os.listdir(stage)):
                archive.tree(os.path.join(stage, name), name)
            for library in sorted(libraries):
                archive.tree(library, library)
        if os.path.exists(driver):
            archive.tree(driver, f"lib/modules/{package.release}/extra/colinux.ko")
        if grafts:
            for graft in grafts:
                archive.tree(graft, "usr/lib/colinux/grafts/" + os.path.relpath(graft, f"{TREE}/build/grafts"))
        archive.close()
    for old in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # a parallel run tidies up, too, and may still read the newer ones
            if time.time() - old.stat().st_mtime > 3600:
                os.unlink(old)
    os.rename(out.name, path)
    return path


def lab_path(remote):
    """Absolute path in the lab; relative ones start at /root, where COMMAND starts too."""
    return os.path.normpath(os.path.join("/root", remote))


def command_script(command):
    """One word is a line for the shell, several are a program and its arguments."""
    if len(command) == 1:
        return command[0] + "\n"
    return "exec " + shlex.join(command) + "\n"


def _guest_releases(puts):
    """Of the guests' kernels among the --put files"""
    names = [name for local, _ in puts for name in ([os.path.basename(local)] if os.path.isfile(local) else os.listdir(local))]
    return [name.removeprefix("vmlinuz-") for name in names if name.startswith("vmlinuz-")]


def write_initramfs(path, package, options, tty, put_on_disk):
    """The joined archive. `put_on_disk`: --put files travel on a disk (run.py), only their names here."""
    with open(path, "wb") as out:
        modules, releases = MODULES, None
        if options.emulator == "bochs":
            modules, releases = MODULES_ON_CD, _guest_releases(options.put)
        for part in (_base(package, modules), _project(package, releases)):
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
        archive = Archive(out)
        archive.tree(os.path.join(LAB, "init"), "init")
        archive.file("lab/command", command_script(options.command).encode())
        settings = {"LAB_TTY": "1" if tty else "", "LAB_SERIAL": "" if options.emulator == "qemu" else "1", "LAB_DRIVER": "" if options.no_driver else "1",
                    "LAB_PUT_DISK": "1" if put_on_disk else "", "LAB_GET": shlex.join(remote for remote, _ in options.get),
                    "TERM": os.environ.get("TERM", "dumb") if tty else "dumb"}
        archive.file("lab/settings", "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()).encode())
        if put_on_disk:
            archive.file("lab/put-list", "".join(f"{number} {lab_path(remote)}\n" for number, (_, remote) in enumerate(options.put)).encode())
        else:
            for local, remote in options.put:
                archive.tree(local, lab_path(remote))
        archive.close()
