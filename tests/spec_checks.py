# SPDX-License-Identifier: GPL-2.0
"""The promises of docs/SPECIFICATION.md, the one place of their numbers, against figures that bench/spec measured."""
import re

DOCUMENT = "docs/SPECIFICATION.md"
TOLERANCE = 1.03  # moving one byte of an image changes a count by as much
OTHER_KERNEL = 1.10  # the host's and guest's own work belongs to a count; Debian may have a newer kernel tomorrow

ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| ([\d,.]+) \| (.*?) \|$", re.MULTILINE)
KERNEL = re.compile(r"linux-image-\S+?_[\w.+~-]+")
FIGURE = re.compile(r"^figure (\w+) ([\d.]+)$", re.MULTILINE)


def promises(text):
    """{name: (most, unit)} of the table rows that begin with a name in code quotes."""
    return {name: (float(most.replace(",", "")), unit) for name, _, most, unit in ROW.findall(text)}


def check(text, said):
    """`text` of the document, what bench/spec `said`: (name, kept, what to say) of each promise and of each figure that nobody promised."""
    promised, measured = promises(text), {name: float(value) for name, value in FIGURE.findall(said)}
    same_kernel = KERNEL.search(text)[0] == KERNEL.search(said)[0]
    for name in sorted(promised.keys() | measured.keys()):
        if name not in promised:
            yield name, False, f"measured {measured[name]:,.3f}, but {DOCUMENT} has no such promise"
        elif name not in measured:
            yield name, False, f"promised in {DOCUMENT}, but not measured"
        else:
            most, unit = promised[name]
            tolerance = TOLERANCE if same_kernel or unit == "× host" else OTHER_KERNEL
            yield name, measured[name] <= most * tolerance, f"{measured[name]:,.3f} {unit}, promised {most:,.10g}"
