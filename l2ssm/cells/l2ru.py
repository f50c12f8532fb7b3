"""L2RU as a cell: dense, complete where n_x = n_u = n_y, other sizes as a part of the padded square system."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from l2ssm.cells.base import DenseCell
from l2ssm.cells.gain import BoundedCell
from l2ssm.cells.linear_start import contraction_of, state_count
from l2ssm.errors import RealizationError
from l2ssm.parametrizations.l2ru import ALPHA_MAX, LOG_EPS_RANGE, RELATIVE_FLOOR, cayley, l2ru
from l2ssm.parametrizations.lti import DenseLTI
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.parametrizations.stable import poles
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


class L2RU(BoundedCell, DenseCell):
    """||G||_inf < gamma for every parameter value; see `parametrizations.l2ru`.

    The map is for square systems of n = 2 n_x states, inputs and outputs; the cell is its first n_u inputs and n_y
    outputs. The other inputs are zero and the other outputs unread, so the gain of the part is below gamma too.

    Arguments of `BoundedCell`; n_x is raised to half the number of inputs or outputs where it is smaller.
    """

    signs: Tensor

    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """See `BoundedCell.initialise`."""
        self.n_x = max(self.n_x, math.ceil(self.n_u / 2), math.ceil(self.n_y / 2))
        n = 2 * self.n_x
        self.X11, self.X21, self.X22, self.C, self.D, self.skew = (nn.Parameter(torch.zeros(n, n)) for _ in range(6))
        self.alpha, self.log_eps = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.register_buffer("signs", torch.ones(n))
        noise = torch.randn(n, n, generator=generator, dtype=torch.float64).numpy()
        self.start_at(_initial_contraction(poles(nu, theta).numpy(), noise, through))

    def system(self) -> DenseLTI:
        """The map theta -> (A, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        X11, X21, X22, C, D = (v.double() for v in (self.X11, self.X21, self.X22, self.C, self.D))
        Q = cayley(self.skew.double()) * self.signs.double()
        A, B, C, D = l2ru(
            X11, X21, X22, C, D, Q, self.alpha.double(), self.log_eps.double(), self.gain(), precision=self.D.dtype
        )
        part = (A, B[:, : self.n_u], C[: self.n_y], D[: self.n_y, : self.n_u])
        return DenseLTI(*(v.to(self.D.dtype) for v in part))

    @torch.no_grad()
    def start_at(self, K: Array) -> None:
        """Set the parameters so that [[A, B / gamma], [C, D / gamma]] = K, (2n, 2n) ||K|| < 1, B regular.

        Args:
            K: (2n, 2n), of norm below 1.

        Raises:
            RealizationError: K is not such a matrix.
        """
        for name, value in _parameters_of(K / (1 - ROUNDING[torch.float64])).items():
            getattr(self, name).copy_(torch.tensor(value))

    @classmethod
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> L2RU:
        """A float64 cell that is G, exactly up to rounding; any sizes.

        Args:
            G: of gain below gamma.
            gamma: prescribed gain.
            n_x: complex states, default the smallest number that holds G.

        Raises:
            RealizationError: the gain is not below gamma, n_x is too small, or B lacks rank and n_x leaves no room.
        """
        n_x = state_count(n_x, max(math.ceil(size / 2) for size in (G.n_x, G.n_u, G.n_y)), G)
        zeros = torch.zeros(n_x, dtype=torch.float64)
        cell = cls(G.n_u, n_x, G.n_y, initial_poles=(zeros, zeros), gamma=gamma, generator=torch.Generator()).double()
        K = contraction_of(G.transposed, gamma).T  # the largest storage: a B near 0 costs digits
        cell.start_at(_padded(_large_input(K, G.n_x), G, 2 * n_x))
        return cell


def _initial_contraction(lam: NDArray[np.complex128], noise: Array, through: float) -> Array:
    """K with the given poles, B = 0.3 sqrt(1 - |lam|^2), small random C, D = through I; missing poles are 0."""
    n = len(noise)
    modes = np.concatenate([lam, np.zeros(n // 2 - lam.size)])
    s = np.repeat(np.maximum(np.sqrt(np.maximum(1 - np.abs(modes) ** 2, 0.0)), 3e-3), 2)
    modes = modes * np.minimum(1.0, np.sqrt(1 - s[0::2] ** 2) / np.maximum(np.abs(modes), 1e-30))
    A = np.zeros((n, n))
    i = 2 * np.arange(n // 2)
    A[i, i] = A[i + 1, i + 1] = modes.real
    A[i + 1, i], A[i, i + 1] = modes.imag, -modes.imag
    return np.block([[A, 0.3 * np.diag(s)], [0.15 / np.sqrt(n) * noise * s, through * np.eye(n)]])


def _large_input(K: Array, n: int) -> Array:
    """K in units of the state in which B is as large as the margin of the LMI allows."""

    def margin(K: Array) -> float:
        return float(np.linalg.eigvalsh(np.eye(K.shape[1]) - K.T @ K)[0])

    least, best = 0.5 * margin(K), K
    for t in 2.0 ** np.arange(1, 20):
        scaled = K.copy()
        scaled[:n, n:] *= t
        scaled[n:, :n] /= t
        if not margin(scaled) > least:
            break
        best = scaled
    return best


def _padded(K: Array, G: StateSpace, n: int) -> Array:
    """K of a system with n states, inputs and outputs, of which G is a part, B regular."""
    room = (1 - np.linalg.norm(K, 2)) / 4
    A, B, C, D = K[: G.n_x, : G.n_x], K[: G.n_x, G.n_x :], K[G.n_x :, : G.n_x], K[G.n_x :, G.n_x :]
    _, values, Vh = np.linalg.svd(B, full_matrices=True)
    rank = int(np.sum(values > 1e-3 * np.sqrt(room)))
    if G.n_u - rank > n - G.n_x:
        raise RealizationError(
            f"B has rank {rank} for {G.n_u} inputs; L2RU holds it with {G.n_u - rank} more real states"
        )
    wide = np.zeros((n, G.n_u))
    wide[: G.n_x] = B
    wide[G.n_x : G.n_x + G.n_u - rank] = np.sqrt(room) * Vh[rank:]
    complement = np.linalg.svd(wide, full_matrices=True)[0][:, G.n_u :]
    full = np.zeros((2 * n, 2 * n))
    full[: G.n_x, : G.n_x], full[n : n + G.n_y, : G.n_x], full[n : n + G.n_y, n : n + G.n_u] = A, C, D
    full[:n, n:] = np.concatenate([wide, np.sqrt(room) * complement], axis=1)
    return full


def _parameters_of(K: Array) -> dict[str, Array]:
    """The parameters of the map for a contraction K, in the gauge b = 1."""
    n = len(K) // 2
    B, C, D = K[:n, n:], K[n:, :n], K[n:, n:]
    M = np.eye(2 * n) - K.T @ K
    least = float(np.linalg.eigvalsh(M)[0])
    e = 0.5 * least
    if not e > np.exp(LOG_EPS_RANGE[0]):
        raise RealizationError(f"the gain is too near gamma: the bounded-real matrix has margin {least:.1e}")
    try:
        L = np.linalg.cholesky(B.T @ B)
        X11 = np.linalg.cholesky(M[:n, :n] - (e + RELATIVE_FLOOR * n) * np.eye(n))
        X21 = np.linalg.solve(X11, M[:n, n:]).T
        X22 = np.linalg.cholesky(M[n:, n:] - X21 @ X21.T - e * np.eye(n))
    except np.linalg.LinAlgError:
        raise RealizationError("B is singular: L2RU holds systems with a regular square B only") from None
    smallest = float(np.linalg.norm(B, -2)) ** 2  # ||b Z|| = 1 - smallest
    skew, signs = inverse_cayley(-np.linalg.solve(L, B.T).T)
    alpha, log_eps = np.array(np.log1p(-smallest) - np.log(smallest)), np.array(np.log(e))
    if not alpha < ALPHA_MAX:
        raise RealizationError(f"B is nearly singular ({smallest**0.5:.1e}): L2RU holds systems with a regular B only")
    names = ("X11", "X21", "X22", "C", "D", "skew", "signs", "alpha", "log_eps")
    return dict(zip(names, (X11, X21, X22, C, D, skew, signs, alpha, log_eps), strict=True))


def inverse_cayley(Q: Array) -> tuple[Array, Array]:
    """(X, signs) with Q = cayley(X) diag(signs) for any orthogonal Q; the signs keep eigenvalues away from -1."""
    n = len(Q)
    M, signs = Q.copy(), np.ones(n)
    for k in range(n):  # elimination on Q + diag(signs): every pivot has modulus >= 1
        signs[k] = 1.0 if M[k, k] >= 0 else -1.0
        M[k, k] += signs[k]
        M[k + 1 :, k + 1 :] -= np.outer(M[k + 1 :, k], M[k, k + 1 :]) / M[k, k]
    rotation = Q * signs
    S = np.linalg.solve((np.eye(n) + rotation).T, (np.eye(n) - rotation).T).T
    return (S - S.T) / 4, signs
