"""The certified linear cells of neural-ssm behind one interface; an empty table where that package is not installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Peer:
    """A cell of theirs: `build(n_u, n_x, n_y, gamma)` with n_x complex states, `matrices(cell)` its A, B, C, D."""

    build: Callable[[int, int, int, float], Any]
    matrices: Callable[[Any], tuple[Tensor, ...]]


def peers() -> dict[str, Peer]:
    """name -> Peer. L2RU is square, with n = 2 n_x states, inputs and outputs."""
    if find_spec("neural_ssm") is None:
        return {}
    from neural_ssm.ssm import L2RU, Block2x2DenseL2SSM, DefectL2SSM, L2BoundedLTICell, lruz

    return {
        "neural-ssm l2ru": Peer(lambda m, n, p, gamma: L2RU(2 * n, gamma=gamma), lambda c: c.set_param()),
        "neural-ssm zak": Peer(
            lambda m, n, p, gamma: lruz(m, p, n, gamma=gamma, init="rand"), lambda c: c.ss_real_matrices(to_numpy=False)
        ),
        "neural-ssm l2n": Peer(
            lambda m, n, p, gamma: Block2x2DenseL2SSM(2 * n, m, p, gamma=gamma), lambda c: c.compute_z_matrices()[:4]
        ),
        "neural-ssm l2nt": Peer(
            lambda m, n, p, gamma: L2BoundedLTICell(2 * n, m, p, gamma=gamma), lambda c: c.compute_ssm_matrices()[:4]
        ),
        "neural-ssm defect": Peer(
            lambda m, n, p, gamma: DefectL2SSM(2 * n, m, p, gamma=gamma), lambda c: c.compute_z_matrices()[:4]
        ),
    }
