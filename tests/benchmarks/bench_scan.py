"""The scan benchmark as a table and two plots.

    PYTHONPATH=. python tests/benchmarks/bench_scan.py cases --threads 1 2 --save rows.json
    PYTHONPATH=. python tests/benchmarks/bench_scan.py scaling --save scaling.json
    PYTHONPATH=. python tests/benchmarks/bench_scan.py plot --rows rows.json --scaling scaling.json --folder docs/images

neural-ssm takes part where it is installed. Everything runs in one process with one thread count at a time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from l2ssm.scan import bench

BASE = {"batch": 4, "time": 4096, "n_x": 64, "n_io": 4}
SWEEPS = {
    "time": [2**k for k in range(8, 18)],
    "n_x": [2**k for k in range(2, 10)],
    "batch": [2**k for k in range(8)],
}
COLOURS = {
    "bare products": "black", "l2ssm compiled": "tab:blue", "l2ssm chunked": "tab:cyan", "l2ssm fft": "tab:green",
    "l2ssm loop": "tab:gray", "torch LSTM": "tab:red", "torch GRU": "tab:orange", "neural-ssm scan": "tab:purple",
    "neural-ssm conv": "tab:pink", "neural-ssm loop": "tab:brown",
}  # fmt: skip


def scaling(threads: int, repeats: int) -> list[dict[str, Any]]:
    """Rows for each of time, n_x and batch swept while the others stay at BASE; `axis` says which."""
    rows, ours = [], ["compiled", "chunked", "fft"]
    for axis, values in SWEEPS.items():
        cases = [list((BASE | {axis: value}).values()) for value in values]
        found = bench.run(cases, threads=threads, repeats=repeats, backends=ours, peers=False, memory=False)
        rows += [row | {"axis": axis} for row in found]
    return rows


def plot_cases(rows: list[dict[str, Any]], path: Path) -> None:
    """Forward + backward relative to the bare products, one panel a thread count, logarithmic."""
    counts = sorted({row["threads"] for row in rows})
    figure, axes = plt.subplots(1, len(counts), figsize=(10 * len(counts), 5), sharey=True, squeeze=False)
    for axis, threads in zip(axes[0], counts, strict=True):
        here = [row for row in rows if row["threads"] == threads and row["ratio"]]
        cases = list(dict.fromkeys((r["batch"], r["time"], r["n_x"], r["n_io"]) for r in here))
        names = [name for name in COLOURS if any(r["name"] == name for r in here)]
        width = 0.85 / len(names)
        for k, name in enumerate(names):
            found = {(r["batch"], r["time"], r["n_x"], r["n_io"]): r["ratio"] for r in here if r["name"] == name}
            places = [c + (k - len(names) / 2) * width for c, case in enumerate(cases) if case in found]
            axis.bar(
                places, [found[c] for c in cases if c in found], width, color=COLOURS[name], label=name, align="edge"
            )
        axis.set_yscale("log")
        axis.axhline(1.0, color="black", linewidth=0.8)
        axis.set_xticks(range(len(cases)), [f"{b} × {t}\nn_x {n}, n_u = n_y {m}" for b, t, n, m in cases])
        axis.set_xlabel("batch × time; a missing bar was not run (states too large for memory, or a step a sample)")
        axis.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
        axis.grid(axis="y", alpha=0.4)
    axes[0, 0].set_ylabel("forward + backward / bare matrix products")
    axes[0, 0].legend(fontsize=8, ncols=2)
    save(figure, path)


def plot_scaling(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds of forward + backward against time, n_x and batch, both axes logarithmic."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.8), sharey=True)
    labels = {"time": "time (samples)", "n_x": "n_x (modes)", "batch": "batch"}
    for axis, name in zip(axes, SWEEPS, strict=True):
        here = [row for row in rows if row["axis"] == name and row["both_s"]]
        for who in [who for who in COLOURS if any(r["name"] == who for r in here)]:
            points = [(row[name], 1e3 * row["both_s"]) for row in here if row["name"] == who]
            axis.loglog(*zip(*points, strict=True), ".-", color=COLOURS[who], label=who, base=2)
        axis.set_yscale("log")
        slope_one(axis, SWEEPS[name])
        axis.set_xlabel(labels[name])
        fixed = ", ".join(f"{key} {value}" for key, value in BASE.items() if key != name)
        axis.set_title(fixed, fontsize=10)
        axis.grid(alpha=0.4)
    axes[0].set_ylabel("forward + backward (ms)")
    axes[0].legend(fontsize=8)
    save(figure, path)


def slope_one(axis: Axes, values: list[int]) -> None:
    """A dotted line of slope one through the lower left corner."""
    low = axis.get_ylim()[0]
    ends = [values[0], values[-1]]
    axis.plot(ends, [low * end / values[0] * 1.3 for end in ends], ":", color="gray", label="linear")


def save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    temporary = path.with_name("." + path.name)
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cases", "scaling", "plot"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--case", type=int, nargs=4, action="append", help="batch time n_x n_io, instead of the usual ones"
    )
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--scaling", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    if given.what == "plot":
        if given.rows:
            plot_cases(json.loads(given.rows.read_text()), given.folder / "scan_cases.png")
        if given.scaling:
            plot_scaling(json.loads(given.scaling.read_text()), given.folder / "scan_scaling.png")
        return
    rows = []
    for threads in given.threads:
        if given.what == "cases":
            rows += bench.run(given.case, threads=threads, repeats=given.repeats, memory=not given.no_memory)
        else:
            rows += scaling(threads, given.repeats)
        print(bench.table([row for row in rows if row["threads"] == threads]), flush=True)
    if given.save:
        given.save.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
