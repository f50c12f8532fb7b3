"""Where the poles of a diagonal state-space model start: the modes of HiPPO-LegS, or laws that resemble them.

Each gives Lam and B of n modes with Im Lam <= 0, one of each conjugate pair: a system of 2 n states.

Source: Gu, Gupta, Goel, Re, "On the parameterization and initialization of diagonal state space models" (2022), sec. 4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from l2ssm.systems.hippo import legs
from l2ssm.systems.nplr import dplr_half

Complex = NDArray[np.complex128]
Modes = tuple[Complex, Complex]


def lin(n: int, generator: Generator | None = None) -> Modes:
    """Lam = -1/2 - j pi k: the Fourier modes of a window of length 2."""
    return _modes(-0.5 - 1j * np.pi * np.arange(n))


def inv(n: int, generator: Generator | None = None) -> Modes:
    """Lam = -1/2 - j (N / pi) (N / (2k+1) - 1), N = 2n: the law of the modes of LegS."""
    return _modes(-0.5 - 1j * (2 * n / np.pi) * (2 * n / (2 * np.arange(n) + 1) - 1))


def legs_modes(n: int, generator: Generator | None = None) -> Modes:
    """The modes of the normal part of LegS, A + P P', with the input V* B (B / 2 in theory; only its size differs)."""
    modes = dplr_half(legs(2 * n))
    return modes.Lam, modes.B


def quad(n: int, generator: Generator | None = None) -> Modes:
    """Lam = -1/2 - j (1 + 2k)^2 / pi."""
    return _modes(-0.5 - 1j * (1 + 2 * np.arange(n)) ** 2 / np.pi)


def real(n: int, generator: Generator | None = None) -> Modes:
    """Lam = -(k + 1): the eigenvalues of LegS itself."""
    return _modes(-(np.arange(n) + 1.0))


def random(n: int, generator: Generator | None = None) -> Modes:
    """Eigenvalues of G - I for a large matrix G of independent entries, spectral radius 1: uniform on a disc about -1.

    Structure is all that the others have and this one lacks; it is there to be compared with.
    """
    square, turn = torch.rand(2, n, generator=generator, dtype=torch.float64).numpy()
    return _modes(-1.0 + np.sqrt(square) * np.exp(-1j * np.pi * turn))


INITIAL_MODES: dict[str, Callable[[int, Generator | None], Modes]] = {
    "lin": lin,
    "inv": inv,
    "legs": legs_modes,
    "quad": quad,
    "real": real,
    "random": random,
}


def _modes(Lam: NDArray) -> Modes:
    return Lam.astype(np.complex128), np.ones(Lam.size, dtype=np.complex128)
