"""`mode_table`: every mode of a linear operator with its pole, its residue and its share of what the operator does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from l2ssm.analysis.frequency_response import ComplexArray
from l2ssm.analysis.subject import require_linear
from l2ssm.systems.gramian import hankel_singular_values
from l2ssm.systems.modal import Modes
from l2ssm.systems.stability import Mode, modal_table
from l2ssm.systems.state_space import StateSpace

LARGEST_CONDITION = 1e8
"""Of the eigenvectors; beyond it A is next to a defective matrix and residues mean nothing."""


@dataclass(frozen=True, eq=False)
class ModeRow:
    """One real pole or conjugate pair.

    Attributes:
        mode: pole, natural frequency (rad/s), damping, time constant (s) and number of states.
        residue: (n_y, n_u) R of H(z) = D + sum R / (z - pole) + conjugate terms of pairs; None where the eigenvectors
            of A are ill conditioned.
        hankel: sum of the Hankel singular values of this mode alone; None where it is not Schur stable.
        share: hankel over the sum of all modes'; None where some mode has none.
    """

    mode: Mode
    residue: ComplexArray | None
    hankel: float | None
    share: float | None

    @property
    def residue_norm(self) -> float | None:
        """The largest singular value of the residue."""
        return None if self.residue is None else float(np.linalg.norm(self.residue, 2))


def mode_table(G: StateSpace) -> list[ModeRow]:
    """One row a real pole or conjugate pair, slowest (largest modulus) first.

    Args:
        G: system; its modes are those of A.

    Raises:
        OptionError: not a StateSpace.

    >>> row = mode_table(StateSpace([[0.5]], [[3.0]], [[1.0]], [[0.0]]))[0]
    >>> row.residue.tolist(), round(row.hankel, 12), row.share
    ([[(3+0j)]], 4.0, 1.0)
    """
    require_linear(G)
    table = modal_table(G)
    found = residues(G)
    if found is None:
        return [ModeRow(mode, None, None, None) for mode in table]
    lam, R = found
    rows: list[tuple[Mode, ComplexArray, float | None]] = []
    free = np.ones(lam.size, dtype=bool)
    for mode in table:
        distance = np.where(free, np.abs(lam - mode.pole), np.inf)
        nearest = int(np.argmin(distance))
        free[nearest] = False
        rows.append((mode, R[nearest], _hankel(mode, R[nearest], G.dt)))
    values = [hankel for _, _, hankel in rows]
    total = sum(v for v in values if v is not None)
    known = total > 0 and None not in values
    return [ModeRow(mode, r, h, h / total if known and h is not None else None) for mode, r, h in rows]


def residues(G: StateSpace) -> tuple[ComplexArray, ComplexArray] | None:
    """(lam (k,), R (k, n_y, n_u)), one of each conjugate pair: H(z) = D + sum R / (z - lam) + its conjugate terms.

    Read off the modes where A is block diagonal, from the eigenvectors elsewhere; None where those are ill conditioned.

    Args:
        G: system with a diagonalisable A.
    """
    if G.modes is not None:
        modes: Modes = G.modes
        half = np.where(modes.lam.imag != 0, 0.5, 1.0)  # Re(C x) is half the sum of a mode and its conjugate
        R = half[:, None, None] * modes.C.T[:, :, None] * modes.B[:, None, :]
        below = modes.lam.imag < 0
        return np.where(below, modes.lam.conj(), modes.lam), np.where(below[:, None, None], R.conj(), R)
    _, scale = linalg.matrix_balance(G.A, permute=False, separate=True)
    scaling = scale[0]
    lam, V = np.linalg.eig(G.A / scaling[:, None] * scaling)
    if not np.linalg.cond(V) < LARGEST_CONDITION:
        return None
    left, right = np.linalg.solve(V, G.B / scaling[:, None]), (G.C * scaling) @ V
    R = right.T[:, :, None] * left[:, None, :]
    kept = lam.imag >= 0
    return lam[kept].astype(np.complex128), R[kept]


def _hankel(mode: Mode, residue: ComplexArray, dt: float) -> float | None:
    """Sum of the Hankel singular values of R / (z - lam) and its conjugate term."""
    if not abs(mode.pole) < 1:
        return None
    U, s, Vt = np.linalg.svd(residue)
    rank = s.size
    factor = 1.0 if mode.states == 1 else 2.0
    size = np.sqrt(s)
    alone = StateSpace.from_modes(
        np.full(rank, mode.pole), size[:, None] * Vt[:rank], factor * U[:, :rank] * size, np.zeros(residue.shape), dt
    )
    return float(hankel_singular_values(alone).sum())
