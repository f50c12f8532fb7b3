"""Small models of every cell, scaffold and static layer, with numbers that are not special."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from l2ssm.cells import CELLS, SELECTIVE_CELLS
from l2ssm.identification.initial import DEGREES, InitialState
from l2ssm.identification.model import Model
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaffolds import SCAFFOLD_BLOCKS
from l2ssm.networks.scaling import Scaling
from l2ssm.networks.static import STATIC

SCALING = Scaling(np.array([1.0, -2.0]), np.array([2.0, 0.5]), np.array([3.0, 0.1]), np.array([4.0, 0.3]))
N_INIT = 9
KINDS = {
    **{cell: {"cell": cell} for cell in (*CELLS, *SELECTIVE_CELLS)},
    "s6 complex": {"cell": "s6", "cell_options": {"field": "complex"}},
    "s6 zoh": {"cell": "s6", "cell_options": {"input_rule": "zoh"}, "n_x": 3},
    "s6 complex zoh": {"cell": "s6", "cell_options": {"field": "complex", "input_rule": "zoh"}},
    "bounded with gamma": {"cell": "bounded", "gamma": 3.0},
    "bounded_selective with gamma": {"cell": "bounded_selective", "gamma": 3.0},
    "bounded_clocked with gamma": {"cell": "bounded_clocked", "gamma": 3.0},
    **{f"static {name}": {"cell": "lru", "static": name} for name in STATIC},
    **{f"activation {name}": {"cell": "lru", "activation": name} for name in ("tanh", "relu", "gelu", "silu")},
    **{f"scaffold {name}": {"cell": "rglru", "scaffold": name, "n_x": 3} for name in SCAFFOLD_BLOCKS},
    "scaffold griffin of two heads": {
        "cell": "s6",
        "scaffold": "griffin",
        "scaffold_options": {"window": 5, "heads": 2},
    },
}
CASES = [
    pytest.param(kind, precision, marks=[pytest.mark.slow] if precision == "float32" and " " in kind else [])
    for kind in KINDS
    for precision in ("float64", "float32")
]
"""Every kind in float64, every cell in float32; the rest in float32 is slow."""


@functools.cache
def model_of(kind: str) -> Model:
    """A model with an estimated initial state; the same object every time."""
    options = {"d_model": 4, "n_x": 2, "layers": 3 if "griffin" in kind else 1} | KINDS[kind]
    made = DeepSSM(SCALING, seed=1, **options)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    labels = {
        "input_names": ("v", "w"),
        "output_names": ("h", "q"),
        "input_units": ("V", "°C"),
        "output_units": ("m", "m"),
    }
    network = freeze(made, 0.25, **labels)
    rng = np.random.default_rng(3)
    shape = (network.n_x, 4 * min(DEGREES, N_INIT))
    initial = InitialState("encoder", N_INIT, 0.1 * rng.standard_normal(shape), 0.1 * rng.standard_normal(network.n_x))
    info = {"cell": kind, "gamma": options.get("gamma")}
    return Model(network, SCALING, initial, info, {"unused": np.ones(3)})


def record(samples: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """(u, y) at random in the range of the scaling."""
    rng = np.random.default_rng(4)
    u, y = rng.standard_normal((samples, 2)), rng.standard_normal((samples, 2))
    return SCALING.u_mean + SCALING.u_std * u, SCALING.y_mean + SCALING.y_std * y


def apart(y: np.ndarray, reference: np.ndarray) -> float:
    """Largest difference, relative to the range of the reference."""
    return float(np.max(np.abs(y - reference)) / np.max(np.abs(reference - reference.mean(axis=0))))
