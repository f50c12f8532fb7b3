"""The lag-operator cell: memories of the past of learned mixtures of the inputs, each with a learned time constant.

Memory h holds n coefficients of the past of v_h = W_h u in an orthonormal basis on warped time, c_h+ = A c_h + b v_h
with (A, b) of `parametrizations.lag_operator` for the step delta_h. With the exponential warp (the default) this is
HiPPO-LegS under its exact zero-order hold, and the gain from v_h to c_h is 1 whatever delta_h is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from l2ssm.cells.base import DenseCell, check_options
from l2ssm.cells.continuous import ContinuousTime
from l2ssm.errors import NotCertifiableError, OptionError
from l2ssm.options import integer, positive
from l2ssm.parametrizations.history_basis import named_basis
from l2ssm.parametrizations.lag_operator import LagOperator
from l2ssm.parametrizations.lti import DenseLTI
from l2ssm.scan.contract import Readout, check_readout

STEP = (1e-6, 30.0)  # of a memory, in its time constants
USUAL_WARP = {"legendre": "exponential", "jacobi": "exponential", "laguerre": "shift", "fourier": "window"}
USUAL_ORDER = 8  # largest default order
LARGE = 64  # real states from which on the convolution is faster than the scan
FASTEST = 4.0  # least initial time constant, samples


def memory_step(log_step: Tensor) -> Tensor:
    """exp(log_step) within the bounds of `STEP`, float64."""
    return torch.exp(torch.clamp(log_step.double(), *(math.log(bound) for bound in STEP)))


class Lag(ContinuousTime, DenseCell):
    """c_h+ = A(delta_h) c_h + b(delta_h) W_h u, y = C c + D u; A, b by one inner product, exact for closed pairs.

    Args:
        n_u, n_x, n_y: sizes, see `Cell`; 2 n_x coefficients in all.
        basis: "legendre", "jacobi", "laguerre" or "fourier".
        shape: alpha of "jacobi", tilt of "laguerre".
        warp: "exponential", "hyperbolic", "window" or "shift"; default "exponential", "shift" for "laguerre", "window"
            for "fourier".
        order: coefficients of one memory, a divisor of 2 n_x; default the largest one up to 8.
        slowest: initial time constant (of a window: length) of the slowest memory in samples; the others down to 4.
        readout: "pre": y[k] reads c[k]; "post": c[k+1].
        generator: source of randomness.

    Raises:
        OptionError: an option out of range, a warp that does not fit the basis or whose steps grow with time.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        basis: str = "legendre",
        shape: float | None = None,
        warp: str | None = None,
        order: int | None = None,
        slowest: float = 100.0,
        readout: Readout = "pre",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        check_readout(readout)
        self.readout, self.order = readout, divisor(2 * n_x, order)
        self.memories = 2 * n_x // self.order
        self.operator = LagOperator(named_basis(basis, self.order, shape), warp or USUAL_WARP[basis])
        if not self.operator.warp.stationary:
            raise OptionError(f"the warp {warp!r} changes with time; a cell is time-invariant: use another, or its map")
        longest = max(positive("slowest", slowest, "number of samples"), FASTEST)
        scales = torch.logspace(math.log10(longest), math.log10(FASTEST), self.memories)
        self.log_step = nn.Parameter(-torch.log(scales))
        self.W = nn.Parameter(torch.randn(self.memories, n_u, generator=generator) * n_u**-0.5)
        self.C = nn.Parameter(torch.randn(n_y, 2 * n_x, generator=generator) * (2 * n_x) ** -0.5)
        self.D = nn.Parameter(torch.zeros(n_y, n_u))

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> Lag:
        """See `Cell.start`."""
        check_options(cls, options)
        return cls(n_u, n_x, n_y, slowest=slowest, generator=generator, **options)

    def system(self) -> DenseLTI:
        """The map theta -> (A, B, C, D): A block diagonal, one block a memory; evaluated in float64."""
        blocks, b = self.operator.transition(memory_step(self.log_step))
        A = torch.block_diag(*blocks)
        B = (b[:, :, None] * self.W.double()[:, None]).flatten(0, 1)
        C, D = self.C.double(), self.D.double()
        if self.readout == "post":
            C, D = C @ A, D + C @ B
        return DenseLTI(*(v.to(self.D.dtype) for v in (A, B, C, D)))

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        if not (self.operator.closed and 2 * self.n_x >= LARGE and u.shape[1] > 1):
            return super().forward(u, x0)
        return self.convolve(u, x0)

    def convolve(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward` of a closed pair by its exact kernel: no power of A, and no (batch, time, state) array.

        Args:
            u: (batch, time, n_u) inputs.
            x0: (batch, n_x) complex state; zero if None.
        """
        delta, C = memory_step(self.log_step), self.C.double().unflatten(1, (self.memories, self.order))
        v, time = u @ self.W.mT, u.shape[1]
        K = self.operator.kernel(delta, time)
        size = next_fast_len(2 * time, real=True)
        response = torch.fft.rfft(torch.einsum("yhn,hln->lhy", C, K).to(u.dtype), size, dim=0)
        spectrum = torch.einsum("bfh,fhy->bfy", torch.fft.rfft(v, size, dim=1), response)
        y = torch.fft.irfft(spectrum, size, dim=1)[:, :time]
        if self.readout == "pre":
            y = torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], dim=1)
        end = torch.einsum("blh,hln->bhn", v.flip(1), K.to(u.dtype))
        if x0 is not None:
            start = torch.view_as_real(x0.resolve_conj()).flatten(1).unflatten(1, C.shape[1:])
            free, rest = self._free(start, C, delta, time)
            y, end = y + free, end + rest
        return y + u @ self.D.mT, torch.view_as_complex(end.flatten(1).unflatten(1, (self.n_x, 2)).contiguous())

    def _free(self, x0: Tensor, C: Tensor, delta: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """C A^k x0 for all k, and A^time x0, by A(s) A(t) = A(s + t): time = (whole pieces of sqrt(time)) + rest."""
        length = math.isqrt(time) + 1
        first = 0 if self.readout == "pre" else 1
        inside = torch.arange(first, first + length, device=delta.device)
        before = length * torch.arange(-(-time // length), device=delta.device)
        A = self.operator.transition(inside[:, None] * delta)[0]
        borders = self.operator.transition(torch.cat([before, torch.full_like(before[:1], time)])[:, None] * delta)[0]
        x = torch.einsum("jhmn,bhn->bjhm", borders, x0.double())
        y = torch.einsum("bjhm,iyhm->bjiy", x[:, :-1], torch.einsum("yhm,ihmn->iyhn", C, A))
        return y.flatten(1, 2)[:, :time].to(x0.dtype), x[:, -1].to(x0.dtype)

    @torch.no_grad()
    def storage(self, margin: float = 1e-6) -> tuple[float, np.ndarray]:
        """(gamma, P): the gain is below gamma = (1 + margin) (k ||C|| ||W|| + ||D||), P the storage that proves it.

        With |A c + b v|^2 <= rho |c|^2 + omega v^2 in every memory, V = sum s_h |c_h|^2 with equal s_h (1 - rho_h) is
        a storage function in closed form; k^2 = max omega / (1 - rho) is 1 for "legendre" and "exponential".

        Args:
            margin: relative room left for rounding.

        Raises:
            NotCertifiableError: memories that do not contract (rho = 1): hyperbolic, window, Laguerre of tilt 1/2.
        """
        rho, omega = self.operator.contraction(memory_step(self.log_step))
        if not (float(rho.max()) < 1 and self.readout == "pre"):
            raise NotCertifiableError(
                "no storage function in closed form for these memories; use certify(realization())"
            )
        c, w, d = (float(torch.linalg.matrix_norm(M.double(), ord=2)) for M in (self.C, self.W, self.D))
        k = float((omega / (1 - rho)).max().sqrt())
        c, through = max(c, 1e-150), max(k * w, 1e-150)
        level = (1 + margin) * c * (c * through + d) / through
        P = (level / (1 - rho)).repeat_interleave(self.order)
        return (1 + margin) * (c * through + d), np.diag(P.numpy())


def divisor(total: int, order: int | None) -> int:
    """`order` if it divides `total`, by default the largest divisor up to `USUAL_ORDER`.

    >>> divisor(16, None), divisor(10, None), divisor(16, 4)
    (8, 5, 4)
    """
    if order is None:
        return max(n for n in range(1, USUAL_ORDER + 1) if total % n == 0)
    if total % integer("order", order, 1):
        raise OptionError(f"order is {order}, expected a divisor of the {total} real states")
    return order
