"""`signals`: a deep model at given frequencies, linear but for the outputs of its activations, which are free signals.

What `certificates.network_response.evaluate` computes for a frozen model, here as a differentiable function of the
parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.cells import Cell
from l2ssm.cells.base import DenseCell, DiagonalCell
from l2ssm.errors import OptionError
from l2ssm.networks.deep import Block, DeepSSM

SKIPS = {"series": (False, False), "residual": (True, False), "twofold": (False, True)}
"""Around a whole block; around each part of it."""


def signals(model: DeepSSM, theta: Tensor) -> tuple[Tensor, Tensor]:
    """(W, Y): pre-activations w = W z and outputs y = Y z, z = (u, v), v the outputs of all activations, in order.

    Biases drop out: all signals are differences of two runs.

    Args:
        model: of a scaffold of `SKIPS`, with linear cells; its `output_factor` is left out.
        theta: (F,) angles in rad.

    Returns:
        W (F, activations' inputs, n) and Y (F, n_y, n), complex128, in physical units.
    """
    layers = [layer for block in _blocks(model) for layer in block.static_chain()]
    parts = [layer.around_activation() for layer in layers]
    n = model.n_u + sum(after.shape[1] for _, after, _ in parts)
    z = torch.exp(1j * theta.double())
    s = _columns(model.encoder()[0].double() / model.u_std, 0, n).expand(len(z), -1, -1)
    pre_activations, column, remaining = [], model.n_u, iter(parts)
    for block in _blocks(model):
        around_block, around_part = SKIPS[block.scaffold]
        assert isinstance(block.cell, Cell)
        start = s
        moved = response(block.cell, z) @ s
        s = s + moved if around_part else moved
        for _ in block.static_chain():
            before, after, keeps = next(remaining)
            pre_activations.append(before.to(s.dtype) @ s)
            added = _columns(after, column, n).expand(len(z), -1, -1)
            s = (int(keeps) + int(around_part)) * s + added
            column += after.shape[1]
        s = start + s if around_block else s
    H = model.y_std[:, None] * model.decoder(factored=False)[0].double()
    return torch.cat(pre_activations, dim=1), H.to(s.dtype) @ s


def response(cell: Cell, z: Tensor) -> Tensor:
    """G(z) (F, n_y, n_u), complex128, at the points z of the unit circle.

    Raises:
        OptionError: a cell whose system is not (lam, B, C, D) or (A, B, C, D).
    """
    if isinstance(cell, DiagonalCell):
        lam, B, C, D = (v.to(torch.complex128) for v in cell.system())
        halves = ((lam, B, C), (lam.conj(), B.conj(), C.conj()))
        upper, lower = ((c / (z[:, None] - pole)[:, None, :]) @ b for pole, b, c in halves)
        return 0.5 * (upper + lower) + D
    if isinstance(cell, DenseCell):
        A, B, C, D = (v.to(torch.complex128) for v in cell.system())
        return C @ torch.linalg.solve(z[:, None, None] * torch.eye(len(A)) - A, B.expand(len(z), -1, -1)) + D
    raise OptionError(f"the frequency response of a {type(cell).__name__} is not known here")


def _blocks(model: DeepSSM) -> list[Block]:
    blocks = [block for block in model.chain() if isinstance(block, Block) and isinstance(block.cell, Cell)]
    if len(blocks) < len(model.chain()):
        raise OptionError(f"scaffold {model.scaffold!r} with such cells is not linear but for activations")
    return blocks


def _columns(W: Tensor, first: int, n: int) -> Tensor:
    """W (rows, k) as columns first ... first + k of an otherwise zero (rows, n), complex128."""
    return torch.nn.functional.pad(W.to(torch.complex128), (first, n - first - W.shape[1]))
