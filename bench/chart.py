# SPDX-License-Identifier: GPL-2.0
"""Bar charts by gnuplot: per row and guest, how many times the host's cost; a logarithmic scale whose origin is the host."""
import subprocess

COLOURS = {"colinux": "#1f6fb4", "uml": "#d9822b", "kvm": "#7a8a4f"}


def chart(path, title, rows, series, names):
    """An SVG at `path`. rows: [title]; series: {peer: [factor or None]}, names: {peer: its name in the key}."""
    height = len(series) + 1  # of one row: its bars and a gap
    most = max(factor for factors in series.values() for factor in factors if factor)
    lines = [f'set terminal svg size 1000,{120 + len(rows) * height * 15} noenhanced font "sans-serif,12" background "white"',
             f'set output "{path}"', f'set title "{title}: times the host (less is better)"', "set key outside below horizontal Left reverse samplen 1 width -1",
             "set logscale x", f"set xrange [0.7:{max(most * 2.2, 3):.2f}]", f"set yrange [{len(rows) * height}:-1]", "set grid x",
             "set tics nomirror", "set border 3", "set style fill solid", "set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb 'black' lw 1",
             "set ytics (" + ", ".join(f'"{text}" {index * height + (height - 2) / 2}' for index, text in enumerate(rows)) + ")"]
    plots = []
    for offset, (peer, factors) in enumerate(series.items()):
        bars = [(index * height + offset, factor) for index, factor in enumerate(factors) if factor]
        lines += [f"${peer} << END", *(f"{y} {factor:.4f} {factor:.{2 if factor < 10 else 0}f}" for y, factor in bars), "END"]
        plots += [f"${peer} using (1):1:(1):2:($1-0.45):($1+0.45) with boxxyerror lc rgb '{COLOURS[peer]}' title '{names[peer]}'",
                  f"${peer} using ($2>1?$2:1):1:3 with labels left offset 0.4,0 font ',10' notitle"]
    subprocess.run(["gnuplot"], input="\n".join(lines + ["plot " + ", \\\n  ".join(plots)]) + "\n", text=True, check=True)
