"""The lag operator: memory of the past in an orthonormal basis on warped time, by one inner product a step.

The state c_n[k] = int u(s) g_n(psi_k(s)) w(psi_k(s)) |psi_k'(s)| ds obeys, for u held between samples,

    c[k+1] = A c[k] + b u[k],    A_mn = int g_m(L x) g_n(x) w(L x) |L'(x)| dx,    b_m = int over the new part of g_m w,

L being the move of one step. A is exact if every g_m(L x) w(L x) |L'| / w is a combination of g_0, ..., g_{n-1}
("closed"), and otherwise the best projection of what the state knows. ||A||^2 <= sup w(L x) |L'| / w(x) always.

After the abstract of Tomonaga, Doya and Murata (arXiv 2512.18965, AISTATS 2026); the equations are a reconstruction.
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.parametrizations.history_basis import Basis, Gram
from l2ssm.parametrizations.warp import WARPS, Warp


class LagOperator:
    """The recurrence and the exact convolution of one basis and one warp; pure maps of the steps.

    Args:
        basis: on [0, 1] or [0, inf).
        warp: an object, or a name of `WARPS`.

    Raises:
        OptionError: an unknown warp, or one that does not fit the basis.
    """

    def __init__(self, basis: Basis, warp: Warp | str) -> None:
        if isinstance(warp, str):
            if warp not in WARPS:
                raise OptionError(f"unknown warp {warp!r}; known: {', '.join(WARPS)}")
            warp = WARPS[warp]
        kinds = f"{type(basis).__name__} functions and the warp {type(warp).__name__}"
        if warp.end != basis.end:
            raise OptionError(f"{kinds} do not fit: [0, {basis.end:g}] against [0, {warp.end:g}]")
        if isinstance(basis, Gram) and warp is not WARPS["linear"]:
            raise OptionError(f"{kinds} do not fit: samples of equal weight are moved by the warp 'linear'")
        if not (warp.sheds_nothing or basis.uniform):
            raise OptionError(f"{kinds} do not fit: a part of the domain needs a uniform weight")
        self.basis, self.warp = basis, warp
        self.closed = basis.polynomial and warp.affine
        self._x, self._omega = basis.nodes(basis.n if self.closed else 4 * basis.n + 60)

    def transition(self, delta: Tensor) -> tuple[Tensor, Tensor]:
        """(A (..., n, n), b (..., n)) of steps delta (...), float64; A is lower triangular where the pair is closed.

        Args:
            delta: steps on the warp's clock.
        """
        delta = delta.double()
        if isinstance(self.basis, Gram):
            steps = [self._product(d, *self.basis.around(float(d))) for d in delta.flatten()]
            A, b = (torch.stack(v).reshape(*delta.shape, *v[0].shape) for v in zip(*steps, strict=True))
            return A, b
        return self._product(delta, self.basis, self.basis)

    def _product(self, delta: Tensor, before: Basis, after: Basis) -> tuple[Tensor, Tensor]:
        """The inner product, and the integral over what is new."""
        nodes, omega = (self._x, self._omega) if before is self.basis else before.nodes(0)
        x, share = self.warp.kept(nodes.to(delta.device), delta[..., None])
        moved, slope = self.warp.move(x, delta[..., None])
        density = omega.to(delta.device) * share * slope * before.weight_ratio(moved, x)
        A = (density[..., None] * after.evaluate(moved)).mT @ before.evaluate(x)
        return (torch.tril(A) if self.closed else A), self._between(after, torch.zeros_like(delta), delta)

    def contraction(self, delta: Tensor) -> tuple[Tensor, Tensor]:
        """(rho, omega) with |A c + b u|^2 <= rho |c|^2 + omega u^2 for every c and u: steps delta (...).

        rho is the largest w(L x) |L'| / w(x), at an end of the domain for all pairs here; omega is the new part of it.

        Args:
            delta: steps on the warp's clock.
        """
        delta = delta.double()
        ends = torch.tensor([1e-300, 1.0], dtype=torch.float64, device=delta.device)
        moved, slope = self.warp.move(ends, delta[..., None])
        rho = (slope * self.basis.weight_ratio(moved, ends)).amax(-1)
        place, mass = self.warp.place, self.basis.mass
        return rho, self.warp.sign * (mass(place(torch.zeros_like(delta))) - mass(place(delta)))

    def kernel(self, delta: Tensor, length: int) -> Tensor:
        """K (..., length, n): c[k] = sum_l K[l] u[k - l] is the exact projection for equal steps delta (...), K[0] = b.

        O(length n), for every warp, whether its recurrence is exact or not.

        Args:
            delta: equal steps.
            length: samples of the kernel.

        Raises:
            OptionError: a basis that changes with every sample.
        """
        if isinstance(self.basis, Gram):
            raise OptionError("Gram functions change with every sample: they have no kernel; use project or recur")
        lag = delta.double()[..., None] * torch.arange(length + 1, device=delta.device)
        return self._between(self.basis, lag[..., :-1], lag[..., 1:])

    def project(self, u: Tensor, delta: Tensor) -> Tensor:
        """c (T, n), the exact coefficients after each of the samples u (T,), of steps delta (T,); O(T^2 n).

        Args:
            u: samples.
            delta: steps on the warp's clock.
        """
        clock = torch.cat([-delta[:1], torch.zeros_like(delta[:1]), torch.cumsum(delta[1:], 0)]).double()
        lag = clock[:, None] - clock
        young, old = torch.clamp(lag[1:, 1:], min=0.0), torch.clamp(lag[1:, :-1], min=0.0)
        if isinstance(self.basis, Gram):
            bases = [self.basis.around(float(d))[1] for d in delta.double()]
            K = torch.stack([self._between(*each) for each in zip(bases, young, old, strict=True)])
        else:
            K = self._between(self.basis, young, old)
        return torch.einsum("kjn,j->kn", K, u.double())

    def recur(self, u: Tensor, delta: Tensor) -> Tensor:
        """c (T, n), the coefficients after each of the samples u (T,) of steps delta (T,), by the recurrence from 0.

        Args:
            u: samples.
            delta: steps on the warp's clock.
        """
        A, b = self.transition(delta)
        c, state = [], torch.zeros(self.basis.n, dtype=torch.float64)
        for k in range(len(u)):
            state = A[k] @ state + b[k] * u[k]
            c.append(state)
        return torch.stack(c)

    def reconstruct(self, c: Tensor, lag: Tensor) -> Tensor:
        """(..., F) the signal `lag` (F,) ago, on the warp's clock, as the state c (..., n) knows it.

        Args:
            c: coefficients.
            lag: how long ago.
        """
        return c @ self.basis.evaluate(self.warp.place(lag)).mT

    def _between(self, basis: Basis, young: Tensor, old: Tensor) -> Tensor:
        """int g w over the places of the lags between young and old."""
        integral, place = basis.integral, self.warp.place
        return self.warp.sign * (integral(place(young)) - integral(place(old)))
