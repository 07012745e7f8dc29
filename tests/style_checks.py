# SPDX-License-Identifier: GPL-2.0
"""House rules that a machine can check. Each check returns a list of complaints, "file:line: what"."""
import os
import re
import subprocess
import sys

MAX_LINES = 500
CODE = (".c", ".h", ".cpp", ".hpp", ".S", ".py", ".sh", ".test", ".cmake", ".ld")
CODE_NAMES = ("CMakeLists.txt", "Kbuild", "Makefile")

# Which include paths a folder may use, as prefixes of quoted or angled names that belong to this project
LAYERS = {
    "include": ("colinux/",),
    "base": ("colinux/", "base/"),
    "core": ("colinux/", "base/", "core/"),
    "host": ("colinux/",),
    "graft": ("colinux/",),
    "guest": ("colinux/",),
    "control": ("colinux/", "control/"),
    "vmm": ("colinux/", "base/", "control/", "vmm/"),
    "cli": ("colinux/", "control/", "cli/"),
}
PROJECT = ("colinux/", "base/", "core/", "host/", "graft/", "guest/", "control/", "vmm/", "cli/", "tests/")
# what the core may take from the compiler, which brings them freestanding
FREESTANDING = {"cstddef", "cstdint", "type_traits", "compare", "concepts", "limits", "utility", "new", "initializer_list",
                "atomic", "bit", "array", "span", "stdint.h", "stddef.h"}


def _files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if os.path.isfile(name)]


def _text(name):
    with open(name, errors="replace") as file:
        return file.read()


def _is_code(name):
    if name.endswith(CODE) or os.path.basename(name) in CODE_NAMES:
        return True
    with open(name, "rb") as file:
        return file.read(2) == b"#!"


def spdx():
    return [f"{name}:1: no SPDX line in the first five" for name in _files()
            if _is_code(name) and not any("SPDX-License-Identifier: GPL-2.0" in line for line in _text(name).splitlines()[:5])]


def file_size():
    sizes = [(name, _text(name).count("\n")) for name in _files() if _is_code(name) or name.endswith(".md")]
    return [f"{name}:{lines}: longer than {MAX_LINES} lines" for name, lines in sizes if lines > MAX_LINES]


def test_size():
    """A system test reads like a shell session: 20 lines at most."""
    sizes = [(name, _text(name).count("\n")) for name in _files() if name.startswith("tests/") and name.endswith(".test")]
    return [f"{name}:{lines}: longer than 20 lines" for name, lines in sizes if lines > 20]


def _includes(name):
    for number, line in enumerate(_text(name).splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found[1], found[2]


def layers():
    complaints = []
    for name in _files():
        folder = name.split("/")[0]
        if folder not in LAYERS or not name.endswith((".c", ".h", ".cpp", ".hpp", ".S")):
            continue
        for number, bracket, target in _includes(name):
            place = f"{name}:{number}: {folder} includes {target}"
            if target.startswith(PROJECT) and not target.startswith(LAYERS[folder]):
                complaints.append(place + ", a layer above or beside it")
            elif folder == "host" and target.endswith(".hpp"):
                complaints.append(place + ": the glue is C")
            elif folder in ("core", "base") and bracket == "<" and not target.startswith("colinux/") and target not in FREESTANDING:
                complaints.append(place + ", which is not freestanding")
    return complaints


def links():
    """Relative links in Markdown files lead to a file, and to a heading where they name one."""
    complaints = []
    for name in _files():
        if not name.endswith(".md"):
            continue
        for number, line in enumerate(_text(name).splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                path, _, heading = target.partition("#")
                full = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
                if re.match(r"[a-z]+:", target):
                    continue
                if not os.path.exists(full):
                    complaints.append(f"{name}:{number}: {target} does not exist")
                elif heading and full.endswith(".md") and heading not in _headings(full):
                    complaints.append(f"{name}:{number}: {target}: no such heading")
    return complaints


def _headings(name):
    titles = re.findall(r"^#+ (.*)$", _text(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def hosts():
    """No package mirror or registry, and no place of one developer's machine, is named in the tree."""
    mirror = re.compile(r"(deb|security|ftp|snapshot)\.debian\.org|registry\.[a-z]|pypi\.|crates\.io|proxy\.golang|(?<![\w.])/work/|/root/\.")
    return [f"{name}:{number}: {found[0]}" for name in _files() if name != "tests/style_checks.py" and (_is_code(name) or name.endswith((".md", ".json", ".txt")))
            for number, line in enumerate(_text(name).splitlines(), 1) for found in [mirror.search(line)] if found]


# Sourced files set variables (SC2154) and have names that are not constant (SC1090); busybox knows pipefail (SC3040)
SHELLCHECK = ["shellcheck", "-s", "sh", "-S", "warning", "-e", "SC1090,SC2154,SC3040", "-f", "gcc"]


def shell():
    """shellcheck's warnings; its notes are a matter of taste."""
    scripts = [name for name in _files() if name.endswith((".sh", ".test")) or _text(name).startswith("#!/bin/sh")]
    return subprocess.run(SHELLCHECK + scripts, capture_output=True, text=True).stdout.splitlines()


def mutants():
    """Each wrong change of tests/mutants still fits the tree."""
    sys.path.insert(0, os.path.join("tests", "mutants"))
    import mutants as list_of_mutants
    return list_of_mutants.misfits(_text)


CHECKS = {"spdx": spdx, "file-size": file_size, "test-size": test_size, "layers": layers, "links": links, "hosts": hosts, "shell": shell, "mutants": mutants}
