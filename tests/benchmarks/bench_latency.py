"""Latency of one step: numpy runtime, ONNX, C and the model in torch, side by side on one thread.

    python tests/benchmarks/bench_latency.py [--steps 2000]

Two models: the one of `l2ssm demo` (5 bounded blocks of width 8, 1 -> 1) and a selective one (3 bounded selective
blocks of width 8, 3 -> 2), with random parameters: the time does not depend on them. Every call is measured by itself,
of C also a loop in a program of its own. torch is the forward pass of one sample, in which the
parameters become the numbers of the model again. A line says how far each is from `simulate`, relative to the largest
output.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from l2ssm.export.c_file import write_c
from l2ssm.export.latency import measured
from l2ssm.export.onnx_file import write_onnx
from l2ssm.export.runtime import Runtime
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling

MODELS = {
    "demo": (1, 1, {"cell": "bounded", "layers": 5}),
    "selective, 3 -> 2": (3, 2, {"cell": "bounded_selective", "layers": 3}),
}
LOOP = """#include "m.h"
int main(void)
{{
    static l2ssm_state s;
    static l2ssm_real u[{n_u}], y[{n_y}];
    long k;
    for (k = 0; k < {count}; k++) l2ssm_step(&s, u, y);
    return 0;
}}
"""


def rows(n_u: int, n_y: int, options: dict, steps: int, folder: Path) -> tuple[dict[str, object], dict[str, float]]:
    scaling = Scaling(np.zeros(n_u), np.ones(n_u), np.zeros(n_y), np.ones(n_y))
    model = DeepSSM(scaling, d_model=8, n_x=8, gamma=4.0, seed=0, **options).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    network = freeze(model, 0.01)
    u = np.random.default_rng(0).standard_normal((200, n_u))
    expected = network.simulate(u)
    times: dict[str, object] = {}
    errors: dict[str, float] = {}
    for precision in ("float64", "float32"):
        runtime = Runtime(network, precision=precision)
        errors[f"numpy {precision}"] = float(np.max(np.abs(runtime.simulate(u) - expected)))
        times[f"numpy {precision}"] = runtime.latency(steps, u[0])
        times[f"onnx {precision}"], errors[f"onnx {precision}"] = onnx_step(
            network, precision, u, expected, steps, folder
        )
        for name, found in c_step(network, precision, u, expected, steps, folder).items():
            times[f"{name} {precision}"], errors[f"{name} {precision}"] = found
    times["torch float64"] = torch_step(model, u, steps)
    return times, {name: error / float(np.max(np.abs(expected))) for name, error in errors.items()}


def onnx_step(network, precision, u, expected, steps, folder):
    import onnxruntime

    write_onnx(network, folder / "m.onnx", precision=precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"), options, providers=["CPUExecutionProvider"])
    state, y = np.zeros(network.n_x, precision), np.empty_like(expected)
    for k, sample in enumerate(u.astype(precision)):
        y[k], state = session.run(["y", "x_next"], {"u": sample, "x": state})
    given = {"u": u[0].astype(precision), "x": state}
    return measured(lambda: session.run(["y", "x_next"], given), steps), float(np.max(np.abs(y - expected)))


def c_step(network, precision, u, expected, steps, folder):
    write_c(network, folder / "m.c", precision=precision)
    library = folder / f"{precision}.so"
    flags = ["cc", "-std=c99", "-O2"]
    subprocess.run([*flags, "-shared", "-fPIC", folder / "m.c", "-o", library, "-lm"], check=True)
    call = ctypes.CDLL(str(library)).l2ssm_step
    state, y = np.zeros(2**20, precision), np.zeros(network.n_y, precision)
    samples, out = u.astype(precision), np.empty_like(expected)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (state, samples, y)]
    for k in range(len(u)):
        call(pointers[0], ctypes.c_void_p(samples[k].ctypes.data), pointers[2])
        out[k] = y
    error = float(np.max(np.abs(out - expected)))
    found = {"C by ctypes": (measured(lambda: call(*pointers), steps), error)}
    count = 100 * steps
    (folder / "loop.c").write_text(LOOP.format(n_u=network.n_u, n_y=network.n_y, count=count))
    subprocess.run([*flags, folder / "loop.c", folder / "m.c", "-o", folder / "loop", "-lm"], check=True)
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([folder / "loop"], check=True)
    return found | {"C": ((resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began) / count, error)}


@torch.no_grad()
def torch_step(model, u, steps):
    sample, state = torch.from_numpy(u[None, :1]), model(torch.from_numpy(u[None]))[1]
    model(sample, state)
    began = time.process_time()
    for _ in range(count := max(steps // 20, 1)):
        model(sample, state)
    return (time.process_time() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    for name, (n_u, n_y, options) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            times, errors = rows(n_u, n_y, options, steps, Path(folder))
        print(f"\n{name}")
        for kind, found in times.items():
            text = f"{1e6 * found:.2f} us of processor time, in a loop" if isinstance(found, float) else str(found)
            print(f"  {kind:22} {text}" + (f", within {errors[kind]:.1e} of simulate" if kind in errors else ""))


if __name__ == "__main__":
    main()
