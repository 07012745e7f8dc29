# SPDX-License-Identifier: GPL-2.0
"""What bench/compare says of its rows: Markdown tables, JSON, and whether the goals are met. Results are {peer: {row: ns}}."""
import json

from report import INSIDE, OUTSIDE, number, table

BEGIN, END = "<!-- comparison: written by bench/compare -->", "<!-- end of comparison -->"
BEGIN_REAL, END_REAL = "<!-- real time: written by bench/compare --real-time -->", "<!-- end of real time -->"
GUESTS = {"colinux": "coLinux", "uml": "User-mode Linux", "kvm": "KVM (emulated SVM)"}
MOST_INSIDE = 1.03  # times the host: the goal for what does not leave the guest

PROGRAMS = (
    ("fork_exec_dynamic", "fork + exec (dynamic) + wait"), ("shell", "shell: 200 × fork + exec + wait"),
    ("tcc", "tcc compiles five files"), ("tar_gzip", "tar + gzip"), ("sqlite", "sqlite: inserts, index, queries"),
    ("find_grep", "find + grep"),
)
LEAVES = (
    ("disk_read_4k", "4K random read, O_DIRECT"), ("disk_read_64k", "64K sequential read, O_DIRECT"),
    ("tcp_host_round_trip", "TCP round trip, guest to host"), ("tcp_host_send_kib", "TCP stream to the host, per KiB"),
    ("tcp_host_receive_kib", "TCP stream from the host, per KiB"), ("console", "16 KiB of lines to the console"),
)
SLIRP = (  # for the guests that can: the same back end, libslirp
    ("tcp_slirp_round_trip", "TCP round trip, by libslirp"), ("tcp_slirp_send_kib", "TCP stream to the host, per KiB, by libslirp"),
    ("tcp_slirp_receive_kib", "TCP stream from the host, per KiB, by libslirp"),
)
assert [name for name, _ in LEAVES] == [name for name, _ in OUTSIDE]
GROUPS = {"inside": ("What does not leave the guest", INSIDE), "programs": ("Whole programs, which do not leave it either", PROGRAMS),
          "outside": ("What leaves the guest", LEAVES + SLIRP)}


def with_slirp(results):
    """The host has one way only: its rows of the network stand for both."""
    for name, _ in SLIRP:
        if (row := name.replace("slirp", "host")) in results.get("host", {}):
            results["host"][name] = results["host"][row]
    return results


def times(results, peer, name):
    """Cost in `peer` as a multiple of the host's; None when one of them was not measured."""
    here, there = results[peer].get(name), results["host"].get(name)
    return here / there if here and there else None


def guests_in(results):
    return [peer for peer in GUESTS if peer in results]


def group_table(results, rows):
    peers = guests_in(results)

    def cell(peer, name):
        value, factor = results[peer].get(name), times(results, peer, name)
        return "—" if value is None else f"{number(round(value, 2))}" + (f" ({factor:.3f})" if factor and factor < 9.9995 else f" ({factor:.1f})" if factor else "")
    return table(("", "host", *(GUESTS[peer] for peer in peers)),
                 [(title, number(round(results["host"][name], 2)), *(cell(peer, name) for peer in peers))
                  for name, title in rows if name in results["host"]])


def verdicts(results):
    """{"inside": (rows, [complaint]), "outside": likewise}: our goals against what was measured."""
    ours = results.get("colinux", {})
    inside = [(name, title, times(results, "colinux", name)) for name, title in INSIDE + PROGRAMS]
    inside = [(title, factor) for name, title, factor in inside if factor]
    slow = [f"{title}: {factor:.3f} × host" for title, factor in inside if factor > MOST_INSIDE]
    outside = [(name, title) for name, title in LEAVES if name in ours]  # each with its best network
    beaten = [f"{title}: {number(round(ours[name]))}, {GUESTS[peer]} {number(round(results[peer][name]))}" for name, title in outside
              for peer in guests_in(results) if peer != "colinux" and results[peer].get(name, ours[name]) < ours[name]]
    return {"inside": (len(inside), slow), "outside": (len(outside), beaten)}


def verdict_text(results):
    found = verdicts(results)
    lines = []
    if len(guests_in(results)) < 2:
        found["outside"] = (0, [])  # nobody to be better than
    for goal, (count, complaints) in (("coLinux at most 1.03 × the host, in what does not leave the guest", found["inside"]),
                                      ("coLinux the best of the guests, in what leaves it", found["outside"])):
        if not count:
            continue
        met = count - len({text.partition(":")[0] for text in complaints})
        lines.append(f"- {goal}: {met} of {count} rows." + ("" if not complaints else " Not met: " + "; ".join(complaints) + "."))
    return "\n".join(lines)


def markdown(made_with, results, charts, unit="Instructions", heading="Compared"):
    text = [made_with, ""]
    for name, (title, rows) in GROUPS.items():
        if any(row in results["host"] for row, _ in rows):
            text += [f"### {heading}: {title[0].lower()}{title[1:]}", "", f"{unit} per operation; in brackets, times the host's.", "", group_table(results, rows)]
            text += [f"![{title}]({charts[name]})", ""] if name in charts else []
    return "\n".join(text + (["### Goals", "", verdict_text(results)] if heading == "Compared" else []))


def to_json(made_with, results):
    rows = {name: {"title": title, "group": group, "instructions": {peer: results[peer][name] for peer in results if name in results[peer]}}
            for group, (_, titles) in GROUPS.items() for name, title in titles}
    return json.dumps({"made_with": made_with, "rows": rows}, indent=1, ensure_ascii=False) + "\n"
