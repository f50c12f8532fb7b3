"""How long the scans take beside the bare matrix products of the same shapes, recurrent layers of torch, and a peer.

All contestants of a case run in one process with one thread count, in turn (A B C A B C ...), so that a disturbance of
the machine meets all of them; times are medians over the rounds and ratios are medians of the ratios within a round.
Peak memory is measured in a process of its own for each contestant: what forward and backward add to the inputs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from l2ssm.errors import OptionError
from l2ssm.scan.interface import lti_scan
from l2ssm.scan.selection import BACKENDS

BARE = "bare products"
HIDDEN = 64  # of the recurrent layers, whatever the case
LONGEST_LOOP = 2**16  # samples
SLOW = 8.0  # seconds; who takes longer runs once
MOST_COPIED = 2**37 + 1  # bytes
MOST_STATES = 2**25  # complex numbers that a contestant may be asked to hold, several times over


class Case(NamedTuple):
    """The shapes of one comparison; `n_io` is n_u and n_y."""

    batch: int
    time: int
    n_x: int
    n_io: int


CASES = (
    Case(16, 512, 64, 64),
    Case(16, 4096, 64, 64),
    Case(4, 32768, 64, 16),
    Case(1, 65536, 16, 1),
    Case(1, 1048576, 64, 4),
)


class Contestant(NamedTuple):
    """Something that maps an input to an output: `build(case)` returns the function and its parameters."""

    build: Callable[[Case], tuple[Callable[[Tensor], Tensor], list[Tensor]]]
    sequential: bool = False  # one Python or library call a sample
    holds_states: bool = False
    copies_states: bool = False  # all of them in every step of backward


def contestants(backends: Iterable[str] | None = None, peers: bool = True) -> dict[str, Contestant]:
    """What `run` compares, by name; neural-ssm only where it is installed.

    Raises:
        OptionError: an unknown backend.
    """
    names = list(BACKENDS) if backends is None else list(backends)
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise OptionError(f"backends {unknown} do not exist; these do: {', '.join(BACKENDS)}")
    found = {BARE: Contestant(_bare)}
    for name in names:
        found[f"l2ssm {name}"] = Contestant(_ours(name), name == "loop", name in ("loop", "chunked"))
    if peers:
        found["torch LSTM"] = Contestant(_recurrent(nn.LSTM), sequential=True)
        found["torch GRU"] = Contestant(_recurrent(nn.GRU), sequential=True)
    if peers and find_spec("neural_ssm") is not None:
        for mode in ("scan", "conv", "loop"):
            found[f"neural-ssm {mode}"] = Contestant(_neural_ssm(mode), mode == "loop", True, mode == "loop")
    return found


def run(
    cases: Sequence[Sequence[int]] | None = None,
    *,
    threads: int = 1,
    backends: Iterable[str] | None = None,
    repeats: int = 5,
    peers: bool = True,
    memory: bool = True,
) -> list[dict[str, Any]]:
    """Measure forward and forward+backward of every contestant in every case, float32 on the CPU.

    Args:
        cases: (batch, time, n_x, n_u = n_y) each; `CASES` if None.
        threads: of torch, for all contestants.
        backends: names in `BACKENDS`; all of them if None.
        repeats: rounds; a contestant that takes seconds runs in fewer.
        peers: whether LSTM, GRU and neural-ssm (where installed) run too.
        memory: whether peak memory is measured, which takes some seconds a contestant.

    Returns:
        One dict per contestant and case: batch, time, n_x, n_io, threads, name, forward_s, both_s (forward + backward),
        ratio (both_s against the bare products), peak_mb, note. What was not run or measured is None.

    Raises:
        OptionError: an unknown backend, or threads or repeats below 1.
    """
    if threads < 1 or repeats < 1:
        raise OptionError(f"threads is {threads} and repeats {repeats}; both must be at least 1")
    chosen, before, rows = contestants(backends, peers), torch.get_num_threads(), []
    torch.set_num_threads(threads)
    try:
        for case in CASES if cases is None else [Case(*shape) for shape in cases]:
            rows += _case(case, chosen, threads, repeats, memory)
    finally:
        torch.set_num_threads(before)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `run` as a Markdown table, one block a case."""
    lines = [
        "| case (batch, time, n_x, n_io), threads | what | forward ms | forward + backward ms | x bare | peak MB |"
    ]
    lines.append("|---|---|--:|--:|--:|--:|")
    last = None
    for row in rows:
        case = f"({row['batch']}, {row['time']}, {row['n_x']}, {row['n_io']}), {row['threads']}"
        cells = [
            "" if case == last else case,
            row["name"],
            _number(row["forward_s"], 1e3),
            row["note"] or _number(row["both_s"], 1e3),
            _number(row["ratio"]),
            _number(row["peak_mb"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
        last = case
    return "\n".join(lines)


def _number(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{value * scale:.3g}" if abs(value * scale) < 100 else f"{value * scale:.0f}"


def _case(case: Case, chosen: dict[str, Contestant], threads: int, repeats: int, memory: bool) -> list[dict[str, Any]]:
    skipped = {name: _too_much(case, contestant) for name, contestant in chosen.items()}
    times: dict[str, list[tuple[int, float, float]]] = {name: [] for name in chosen}
    ready = {name: prepare(case, chosen[name]) for name in chosen if skipped[name] is None}
    rounds = {}
    for name, (forward, both) in ready.items():
        seconds = both()  # compiles, allocates, warms the caches
        if seconds > SLOW:
            times[name].append((0, forward(), seconds))
            rounds[name] = 0
        else:
            forward()
            rounds[name] = max(1, min(repeats, int(SLOW / both())))
    for k in range(repeats):
        for name, (forward, both) in ready.items():
            if k < rounds[name]:
                times[name].append((k, forward(), both()))
    bare = {k: both for k, _, both in times[BARE]}
    rows = []
    for name in chosen:
        row: dict[str, Any] = {**case._asdict(), "threads": threads, "name": name, "note": skipped[name]}
        row |= {"forward_s": None, "both_s": None, "ratio": None, "peak_mb": None}
        if times[name]:
            row["forward_s"] = statistics.median(forward for _, forward, _ in times[name])
            row["both_s"] = statistics.median(both for _, _, both in times[name])
            row["ratio"] = statistics.median(both / bare[k] for k, _, both in times[name] if k in bare)
        rows.append(row)
    del ready
    for row in rows:
        if memory and row["both_s"] is not None:
            row["peak_mb"] = peak_memory(case, row["name"], threads) / 2**20
    return rows


def _too_much(case: Case, contestant: Contestant) -> str | None:
    if contestant.sequential and case.time > LONGEST_LOOP:
        return f"not run: {case.time} calls"
    if contestant.holds_states and case.batch * case.time * case.n_x > MOST_STATES:
        return "not run: holds all states"
    if contestant.copies_states and 8 * case.batch * case.time**2 * case.n_x > MOST_COPIED:
        return "not run: quadratic in time"
    return None


def prepare(case: Case, contestant: Contestant) -> tuple[Callable[[], float], Callable[[], float]]:
    """Two functions that run forward without autograd, and forward and backward, once, and return the seconds."""
    generator = torch.Generator().manual_seed(0)
    function, parameters = contestant.build(case)
    u = torch.randn(case.batch, case.time, case.n_io, generator=generator).requires_grad_()
    with torch.no_grad():
        n_out = function(u[:1, :2]).shape[2]
    y_grad = torch.randn(case.batch, case.time, n_out, generator=generator)

    def forward() -> float:
        start = time.perf_counter()
        with torch.no_grad():
            function(u)
        return time.perf_counter() - start

    def both() -> float:
        for tensor in (u, *parameters):
            tensor.grad = None
        start = time.perf_counter()
        function(u).backward(y_grad)
        return time.perf_counter() - start

    return forward, both


def peak_memory(case: Case, name: str, threads: int) -> int:
    """Bytes that one forward and backward pass adds at its peak to inputs and parameters, from a fresh process."""
    program = "import json, sys; from l2ssm.scan import bench; print(bench.peak_here(*json.loads(sys.argv[1])))"
    path = os.pathsep.join(part for part in sys.path if part)
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, json.dumps([list(case), name, threads])],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return int(found.stdout.split()[-1])


def peak_here(shape: Sequence[int], name: str, threads: int) -> int:
    """`peak_memory`, in this process; true only where nothing larger ran in it before."""
    torch.set_num_threads(threads)
    contestant = contestants()[name]
    prepare(Case(*shape)._replace(batch=1, time=min(shape[1], 32)), contestant)[1]()  # libraries and code are loaded
    both = prepare(Case(*shape), contestant)[1]
    before = resident_peak()
    both()
    return resident_peak() - before


def resident_peak() -> int:
    """The largest resident size of this process so far, in bytes (Linux and macOS)."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's size too, from before this program was loaded
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _system(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """lam, B, C, D with 0.9 < |lam| < 0.999."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    lam = torch.polar(0.9 + 0.099 * torch.rand(case.n_x, generator=generator), normal(case.n_x))
    B = torch.complex(normal(case.n_x, case.n_io), normal(case.n_x, case.n_io)) / case.n_io**0.5
    C = torch.complex(normal(case.n_io, case.n_x), normal(case.n_io, case.n_x)) / case.n_x**0.5
    return lam, B, C, normal(case.n_io, case.n_io)


def _ours(backend: str) -> Any:
    def build(case: Case) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
        lam, B, C, D = parameters = [tensor.requires_grad_() for tensor in _system(case)]
        return lambda u: lti_scan(u, lam, B, C, D, backend=backend)[0], parameters

    return build


def _bare(case: Case) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    """The real products alone: 2 n_x columns for the real and imaginary parts, and the direct term."""
    _, B, C, D = _system(case)
    B, C = torch.cat([B.real, B.imag]), torch.cat([C.real, C.imag], 1)
    parameters = [tensor.requires_grad_() for tensor in (B, C, D)]
    return lambda u: (u @ B.mT) @ C.mT + u @ D.mT, parameters


def _recurrent(kind: type[nn.LSTM] | type[nn.GRU]) -> Any:
    def build(case: Case) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
        layer = kind(case.n_io, HIDDEN, batch_first=True)
        return lambda u: layer(u)[0], list(layer.parameters())

    return build


def _neural_ssm(mode: str) -> Any:
    def build(case: Case) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
        from neural_ssm.ssm import LRU

        layer = LRU(case.n_io, case.n_io, case.n_x, rmin=0.9, rmax=0.999)
        return lambda u: layer(u, mode=mode)[0], list(layer.parameters())

    return build
